package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Bounds of an answer.
const (
	maxBody    = 16 << 20
	maxHeaders = 64
)

// A Response is an answer, as far as the workloads look at it.
type Response struct {
	Status  int
	Session string // Mcp-Session-Id
	Stream  bool   // the body is an event stream
	Body    []byte

	length  int // -1: not given
	chunked bool
	closing bool
}

var (
	errHead    = errors.New("malformed head of an answer")
	errLength  = errors.New("answer with neither a sound length nor chunks")
	errChunk   = errors.New("malformed chunk")
	errTooLong = fmt.Errorf("answer longer than %d bytes", maxBody)
	errClosing = errors.New("the server closes the connection")
)

// read replaces r by the next answer of in. It understands what a server may
// send to a POST of HTTP/1.1 on a connection that is kept alive.
func (r *Response) read(in *bufio.Reader) error {
	*r = Response{Body: r.Body[:0], length: -1}
	line, err := readLine(in)
	if err != nil {
		return err
	}
	if err := r.parseStatus(line); err != nil {
		return err
	}
	for range maxHeaders {
		line, err := readLine(in)
		if err != nil {
			return unexpected(err)
		}
		if len(line) == 0 {
			return r.readBody(in)
		}
		if err := r.parseHeader(line); err != nil {
			return err
		}
	}
	return errHead
}

func (r *Response) parseStatus(line []byte) error {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || len(rest) < 3 || (len(rest) > 3 && rest[3] != ' ') {
		return errHead
	}
	for _, c := range rest[:3] {
		if c < '0' || c > '9' {
			return errHead
		}
		r.Status = 10*r.Status + int(c-'0')
	}
	if r.Status < 200 { // nothing was asked that has an interim answer
		return errHead
	}
	return nil
}

func (r *Response) parseHeader(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return errHead
	}
	name, value := line[:colon], bytes.TrimSpace(line[colon+1:])
	switch {
	case isName(name, "Content-Length"):
		n, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil || r.length >= 0 {
			return errLength
		}
		r.length = int(n)
	case isName(name, "Transfer-Encoding"):
		if r.chunked || !isName(value, "chunked") {
			return errLength
		}
		r.chunked = true
	case isName(name, "Content-Type"):
		r.Stream = bytes.HasPrefix(value, []byte("text/event-stream"))
	case isName(name, "Mcp-Session-Id"):
		r.Session = string(value)
	case isName(name, "Connection"):
		r.closing = isName(value, "close")
	}
	return nil
}

// isName compares without regard to case.
func isName(b []byte, name string) bool {
	return len(b) == len(name) && bytes.EqualFold(b, []byte(name))
}

func (r *Response) readBody(in *bufio.Reader) (err error) {
	switch {
	case r.closing:
		return fmt.Errorf("%w after status %d", errClosing, r.Status)
	case r.chunked && r.length >= 0:
		return errLength
	case r.chunked:
		return r.readChunks(in)
	case r.Status == 204 || r.Status == 304:
		return nil
	case r.length < 0:
		return errLength
	}
	return r.append(in, r.length)
}

func (r *Response) readChunks(in *bufio.Reader) error {
	for {
		line, err := readLine(in)
		if err != nil {
			return unexpected(err)
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return errChunk
		}
		if err := r.append(in, int(size)); err != nil {
			return err
		}
		if line, err = readLine(in); err != nil {
			return unexpected(err)
		}
		if len(line) > 0 { // of a trailer, or of a chunk longer than its size
			return errChunk
		}
		if size == 0 {
			return nil
		}
	}
}

// append reads n bytes to the body.
func (r *Response) append(in *bufio.Reader, n int) error {
	old := len(r.Body)
	if n > maxBody-old {
		return errTooLong
	}
	if cap(r.Body)-old < n {
		r.Body = append(make([]byte, 0, 2*(old+n)), r.Body...)
	}
	r.Body = r.Body[:old+n]
	_, err := io.ReadFull(in, r.Body[old:])
	return unexpected(err)
}

// readLine returns a line without its end; it is valid until the next read.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
