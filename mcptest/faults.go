package mcptest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// ErrDropped is how a client sees that [Faults] dropped its connection.
var ErrDropped = errors.New("mcptest: the connection was dropped")

// Faults disturb what goes on between clients and their server, and inside of
// it. They are drawn from Seed: the n-th message on the way and the n-th call in
// the server meet the same in every run. The zero value disturbs nothing. One
// Faults may serve several clients and servers at once.
//
//	f := &mcptest.Faults{Seed: 1, Latency: 50 * time.Millisecond, Errors: 0.1}
//	srv, err := server.New("calc", "1.0.0", &server.Options{Middleware: []mcp.Middleware{f.Middleware}})
//	c := mcptest.New(t, srv, mcptest.Through(f))
type Faults struct {
	// Seed chooses what is drawn.
	Seed uint64
	// Latency is how long a message of the client is held up at the most; each
	// draws its own. Zero means not at all.
	Latency time.Duration
	// Stall is for how long a slow client pauses before each read of at most
	// 1 KiB. Zero means not at all.
	Stall time.Duration
	// Drops is which share of the client's messages, from 0 to 1, meets a dropped
	// connection: over HTTP half of them before the request and half after it, so
	// that the answer is lost; on pipes the connection is over.
	Drops float64
	// Errors and Panics are which share of the calls in the server, from 0 to 1,
	// fails with code unavailable, and which share panics. See [Faults.Middleware].
	Errors, Panics float64

	messages, calls atomic.Uint64
}

// Through puts f between the client and the server.
func Through(f *Faults) Option { return func(c *config) { c.faults = f } }

// Middleware makes Errors and Panics of the calls that pass it: tools, prompts,
// resources and completions. It belongs into [server.Options] Middleware.
func (f *Faults) Middleware(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		switch method {
		case "tools/call", "prompts/get", "resources/read", "completion/complete":
		default:
			return next(ctx, method, req)
		}
		switch p := f.draw(&f.calls).Float64(); {
		case p < f.Panics:
			panic("mcptest: a panic on purpose")
		case p < f.Panics+f.Errors:
			return nil, mcperrors.Errorf(mcperrors.Unavailable, "a fault on purpose")
		}
		return next(ctx, method, req)
	}
}

// Jump lets d pass at once, while nothing else happens: timers fire, deadlines
// and sessions end. It works in a [testing/synctest] bubble alone; elsewhere it
// would wait for d.
func Jump(tb testing.TB, d time.Duration) {
	tb.Helper()
	<-time.After(d)
}

// draw returns the dice of the next event that n counts.
func (f *Faults) draw(n *atomic.Uint64) *rand.Rand {
	return rand.New(rand.NewPCG(f.Seed, n.Add(1))) //nolint:gosec // to be drawn again, not to be secret
}

// hold waits out the latency of a message, and returns the dice for the rest.
func (f *Faults) hold() *rand.Rand {
	dice := f.draw(&f.messages)
	if f.Latency > 0 {
		<-time.After(time.Duration(dice.Int64N(int64(f.Latency) + 1)))
	}
	return dice
}

// pipe returns r and w with faults in between.
func (f *Faults) pipe(r io.ReadCloser, w io.WriteCloser) io.ReadWriteCloser {
	if f == nil {
		return &link{r, w, nil}
	}
	return &link{&slowReader{r, f.Stall}, w, f}
}

// A link is the client's side of a pair of pipes.
type link struct {
	io.ReadCloser
	w io.WriteCloser
	f *Faults
}

func (l *link) Write(p []byte) (int, error) {
	if l.f != nil && l.f.hold().Float64() < l.f.Drops {
		_ = l.Close() // as a dropped connection
		return 0, ErrDropped
	}
	return l.w.Write(p)
}

func (l *link) Close() error { return errors.Join(l.w.Close(), l.ReadCloser.Close()) }

// http returns next with faults in between.
func (f *Faults) http(next http.RoundTripper) http.RoundTripper {
	if f == nil {
		return next
	}
	return &faultyHTTP{next, f}
}

type faultyHTTP struct {
	next http.RoundTripper
	f    *Faults
}

// RoundTrip implements [http.RoundTripper].
func (t *faultyHTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	dice := t.f.hold()
	dropped := r.Method == http.MethodPost && dice.Float64() < t.f.Drops
	if dropped && dice.IntN(2) == 0 {
		return nil, ErrDropped
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if dropped {
		_ = res.Body.Close() // as a dropped connection
		return nil, ErrDropped
	}
	res.Body = &slowReader{res.Body, t.f.Stall}
	return res, nil
}

type slowReader struct {
	io.ReadCloser
	stall time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.stall > 0 {
		<-time.After(r.stall)
		p = p[:min(len(p), 1<<10)]
	}
	return r.ReadCloser.Read(p)
}
