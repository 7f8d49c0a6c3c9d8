package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	defaultInFlight     = 1024
	defaultDrainTimeout = 10 * time.Second
)

// A Stdio is an [mcp.Transport] over two streams of lines, each one JSON-RPC
// message: those of a server that a client starts as its child. It serves both
// eras of the protocol, and one session.
//
// A line that is no sound message is answered with an error, and the next one
// is served. When the input ends, every call that was read is answered first,
// then the session ends. When the output breaks, the session ends as if the
// input had.
type Stdio struct {
	// In is read, and Out written. At the session's end each is closed if it is
	// an [io.Closer], but never the process's own output. A pending Read of an
	// In that Close does not interrupt keeps one goroutine.
	//
	// Nil In means os.Stdin. Nil Out means os.Stdout, under [GuardStdout] while
	// the session lives.
	In  io.Reader
	Out io.Writer
	// MaxLineBytes bounds a line that is read, without its end. A longer one is
	// refused and never held in memory.
	// Zero means 4 MiB; negative means no limit.
	MaxLineBytes int
	// MaxDepth bounds how deep arrays and objects nest, the envelope included.
	// Zero means 64; negative, or more, means what go-sdk bears, 1000.
	MaxDepth int
	// MaxInFlight bounds the calls that run at once; more are answered with
	// the code [mcperrors.Exhausted]. It also bounds the notifications that
	// wait for their handler; then nothing more is read until there are fewer.
	// Zero means 1024; negative means no limit.
	MaxInFlight int
	// DrainTimeout is how long calls may run on after the input ended.
	// Zero means 10 seconds; negative means no limit.
	DrainTimeout time.Duration
	// Logger gets refusals at debug level, and why the session ended. It never
	// gets what a client sent. Nil means no log; it must not write to Out.
	Logger *slog.Logger

	mu      sync.Mutex
	conn    *stdioConn
	drained bool
}

// Connect implements [mcp.Transport]. It can be called once.
func (t *Stdio) Connect(context.Context) (mcp.Connection, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.drained:
		return nil, errDrained
	case t.conn != nil:
		return nil, errors.New("transport: stdio is connected already")
	}
	t.conn = t.newConn()
	go t.conn.receive() // ends when In does
	return t.conn, nil
}

func (t *Stdio) newConn() *stdioConn {
	c := &stdioConn{
		maxDepth: min(resolveDepth(t.MaxDepth), maxDepth),
		timeout:  cmp.Or(t.DrainTimeout, defaultDrainTimeout),
		log:      loggerOr(t.Logger),
		in:       t.In,
		out:      t.Out,
		restore:  func() {},
		flight:   newFlight(limit(t.MaxInFlight, defaultInFlight)),
	}
	if c.in == nil {
		c.in = os.Stdin
	}
	if c.out == nil {
		c.out, c.restore = GuardStdout()
	}
	if f, ok := c.out.(*os.File); ok {
		unguard, allow := c.restore, surviveBrokenPipe()
		c.restore = func() { unguard(); allow() }
		c.keepOut = isProcessOutput(f)
	}
	c.lines = newLineReader(c.in, limit(t.MaxLineBytes, defaultBytes))
	c.fence = newFence(limit(t.MaxInFlight, defaultInFlight))
	c.init()
	return c
}

// limit applies the rule of all limits here: zero is the default, negative none.
func limit(n, zero int) int {
	switch {
	case n == 0:
		return zero
	case n < 0:
		return math.MaxInt
	}
	return n
}

// Drain ends the session: it answers new calls with the code
// [mcperrors.Unavailable], waits until the running ones are answered, and then
// lets the session see the end of its input. Subscriptions are ended first.
// Notifications and answers are still read meanwhile.
//
// When ctx ends first, the session ends at once, which cancels the calls that
// are left, and Drain returns an error that says how many there were.
//
// Drain may be called at any moment, repeatedly and concurrently. Before
// Connect it makes Connect fail. It does not wait for the session to close:
// that is [mcp.ServerSession.Wait].
func (t *Stdio) Drain(ctx context.Context) error {
	t.mu.Lock()
	t.drained = true
	c := t.conn
	t.mu.Unlock()
	if c == nil {
		return nil
	}
	if cut := c.drain(ctx); cut > 0 {
		return fmt.Errorf("transport: drain cut %d calls: %w", cut, context.Cause(ctx))
	}
	return nil
}

var _ mcp.Transport = (*Stdio)(nil)
