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
	// Again starts the server once more, after a rule that it did not keep: who was
	// brought down by that is held to the other rules all the same. May be nil.
	Again func() (io.Writer, io.Reader, error)

	w     io.Writer
	lines chan []byte
}

// NewStdio returns a wire that writes to w what it sends, and reads from r.
func NewStdio(w io.Writer, r io.Reader) *Stdio {
	s := new(Stdio)
	s.carry(w, r)
	return s
}

// carry writes to w and reads from r from now on.
func (s *Stdio) carry(w io.Writer, r io.Reader) {
	received := make(chan []byte, 64)
	s.w, s.lines = w, received
	go func() { // until r ends
		defer close(received)
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadBytes('\n')
			if line = bytes.TrimSpace(line); len(line) > 0 {
				received <- line
			}
			if err != nil {
				return
			}
		}
	}()
}

// renew starts the server again, if that can be done.
func (s *Stdio) renew() (bool, error) {
	if s.Again == nil {
		return false, nil
	}
	w, r, err := s.Again()
	if err != nil {
		return false, err
	}
	s.carry(w, r)
	return true, nil
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
