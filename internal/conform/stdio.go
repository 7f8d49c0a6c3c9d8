package conform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
)

// Stdio carries messages over a pair of streams, a line each. It is for one
// conversation. Close what it reads from to end its goroutine.
type Stdio struct {
	w     io.Writer
	lines chan []byte
}

// NewStdio returns a wire that writes to w what it sends, and reads from r.
func NewStdio(w io.Writer, r io.Reader) *Stdio {
	s := &Stdio{w: w, lines: make(chan []byte, 64)}
	go func() { // until r ends
		defer close(s.lines)
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadBytes('\n')
			if line = bytes.TrimSpace(line); len(line) > 0 {
				s.lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

// Opened implements [Wire].
func (s *Stdio) Opened(string) {}

// Exchange implements [Wire].
func (s *Stdio) Exchange(ctx context.Context, message []byte, wantsAnswer bool) ([]byte, error) {
	if _, err := s.w.Write(append(bytes.ReplaceAll(message, []byte("\n"), []byte(" ")), '\n')); err != nil {
		return nil, err
	}
	if !wantsAnswer {
		return nil, nil
	}
	var request struct{ ID json.RawMessage }
	known := json.Unmarshal(message, &request) == nil
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case line, open := <-s.lines:
			if !open {
				return nil, errClosed
			}
			var m struct {
				ID     json.RawMessage
				Method string
			}
			decodes := json.Unmarshal(line, &m) == nil
			switch {
			case !decodes:
				return line, nil // what is no JSON is for the rule to complain of
			case m.Method != "": // a notification, or a question of the server's
			case !known || bytes.Equal(m.ID, request.ID) || len(m.ID) == 0 || string(m.ID) == "null":
				return line, nil
			}
		}
	}
}
