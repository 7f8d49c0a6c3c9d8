package load

import "bufio"

// Read parses one answer.
func Read(in *bufio.Reader) (*Response, error) {
	var r Response
	err := r.read(in)
	return &r, err
}
