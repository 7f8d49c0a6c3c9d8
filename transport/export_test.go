package transport

import (
	"encoding/json"
	"errors"
	"io"
)

// CheckMessage runs what both transports run on a message. The code is 0 if it
// is sound; id is what an answer would carry.
func CheckMessage(data []byte, depth int) (method string, id json.RawMessage, code int64) {
	if ref := checkJSON(data, depth); ref != nil {
		return "", ref.id, ref.err.Code
	}
	m, ref := parseMessage(data)
	if ref == nil && !m.isResponse() {
		_, ref = names(m.params)
	}
	if ref != nil {
		return "", ref.id, ref.err.Code
	}
	return m.method, m.id, 0
}

// ReadLines returns what a lineReader makes of r: "\n" stands for a line that
// is too long.
func ReadLines(r io.Reader, limit int) (lines []string) {
	l := newLineReader(r, limit)
	for {
		line, err := l.next()
		switch {
		case err == nil:
			lines = append(lines, string(line))
		case errors.Is(err, errLineTooLong):
			lines = append(lines, "\n")
		default:
			return lines
		}
	}
}
