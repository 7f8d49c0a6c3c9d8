package workload

import (
	"errors"
	"fmt"

	"github.com/trestle-mcp/trestle/bench/internal/load"
)

// Handshakes is a script that opens one legacy session after the other, and
// leaves them open: initialize, then notifications/initialized. Two requests
// are one handshake.
type Handshakes struct {
	addr     string
	hello    []byte
	answered bool // the server has answered initialize, and waits for the rest

	// Sessions are the ids that the server gave: empty ones if it has none.
	Sessions []string
}

// NewHandshakes returns the script for the server at addr.
func NewHandshakes(addr string) *Handshakes {
	const body = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"bench","version":"1.0.0"}}}`
	return &Handshakes{addr: addr, hello: encode(addr, Legacy, "", "initialize", "", body)}
}

// Next implements [load.Script].
func (h *Handshakes) Next() []byte {
	if !h.answered {
		return h.hello
	}
	session := h.Sessions[len(h.Sessions)-1]
	return encode(h.addr, Legacy, session, "notifications/initialized", "", `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

// Check implements [load.Script].
func (h *Handshakes) Check(res *load.Response) error {
	if err := h.check(res); err != nil {
		return fmt.Errorf("handshake: %w: status %d, body %.300q", err, res.Status, res.Body)
	}
	h.answered = !h.answered
	return nil
}

func (h *Handshakes) check(res *load.Response) error {
	if h.answered {
		if res.Status != 202 || len(res.Body) > 0 {
			return errStatus
		}
		return nil
	}
	if res.Status != 200 {
		return errStatus
	}
	a, err := decode(res)
	if err != nil {
		return err
	}
	if a.Result.ProtocolVersion != Legacy.Version() {
		return errors.New("another protocol version")
	}
	h.Sessions = append(h.Sessions, res.Session)
	return nil
}
