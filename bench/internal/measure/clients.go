package measure

import (
	"context"
	"errors"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/load"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// openTimeout bounds what happens before any load.
const openTimeout = time.Minute

// connect opens n connections for clients without a script. Those that exist
// are returned with the error, too.
func connect(ctx context.Context, addr string, n int) (clients []load.Client, err error) {
	for range n {
		conn, err := load.Dial(ctx, addr)
		if err != nil {
			return clients, err
		}
		clients = append(clients, load.Client{Conn: conn})
	}
	return clients, nil
}

// handshake opens perClient sessions on each of the connections.
func handshake(ctx context.Context, clients []load.Client, addr string, perClient int) (sessions []string, _ error) {
	scripts := make([]*workload.Handshakes, len(clients))
	openers := make([]load.Client, len(clients))
	for i, c := range clients {
		scripts[i] = workload.NewHandshakes(addr)
		openers[i] = load.Client{Conn: c.Conn, Script: scripts[i]}
	}
	res, err := load.Run(ctx, openers, load.Limits{Duration: openTimeout, Calls: 2 * perClient})
	if err != nil {
		return nil, err
	}
	if res.Calls < 2*perClient*len(clients) {
		return nil, errors.New("opening sessions took too long")
	}
	for _, s := range scripts {
		sessions = append(sessions, s.Sessions...)
	}
	return sessions, nil
}

// callers returns n clients for a load, each with its own session if the
// server has such.
func callers(ctx context.Context, addr string, cell Cell) (clients []load.Client, err error) {
	clients, err = connect(ctx, addr, cell.Connections)
	if err != nil {
		return clients, err
	}
	sessions := make([]string, len(clients))
	if cell.Era == workload.Legacy {
		if sessions, err = handshake(ctx, clients, addr, 1); err != nil {
			return clients, err
		}
	}
	for i := range clients {
		clients[i].Script = workload.NewCalls(cell.Kind, cell.Era, addr, sessions[i])
	}
	return clients, nil
}

func closeAll(clients []load.Client) {
	for _, c := range clients {
		_ = c.Conn.Close() // nothing is left to be read
	}
}
