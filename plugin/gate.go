package plugin

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/lazyctx"
)

// cancelGrace is how long calls may take to notice that they were canceled.
const cancelGrace = time.Second

type gateState int

const (
	gateShut gateState = iota // a call looks for what is there instead
	gateOpen
	gateHeld // a call waits
)

// A gate is what calls go through into one version of a plugin. It is shut first.
type gate struct {
	mu      sync.Mutex
	state   gateState
	moved   chan struct{} // closed when the state changes from held
	running int
	idle    chan struct{} // closed when running becomes 0; nil if nobody waits
	calls   map[*call]struct{}
	cancels bool // whatever begins is canceled at once
	ended   int64
}

// A call is one use of a handler, and its context.
type call struct {
	lazyctx.Context

	canceled bool // because of the plugin; under the gate's lock
}

// Enter implements [Owner].
func (g *gate) Enter(ctx context.Context) bool {
	g.mu.Lock()
	for g.state == gateHeld {
		moved := g.moved
		g.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
		g.mu.Lock()
	}
	defer g.mu.Unlock()
	if g.state == gateShut {
		return false
	}
	g.running++
	return true
}

// Leave implements [Owner].
func (g *gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.ended++
	if g.running == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

func (g *gate) set(s gateState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == gateHeld {
		close(g.moved)
	}
	switch g.state = s; s {
	case gateHeld:
		g.moved = make(chan struct{})
	case gateOpen:
		g.cancels = false
	case gateShut:
	}
}

// begin starts a call of a handler, whose context ends when it is canceled.
func (g *gate) begin(ctx context.Context) *call {
	c := &call{}
	c.Begin(ctx, time.Time{})
	g.mu.Lock()
	if g.calls == nil {
		g.calls = map[*call]struct{}{}
	}
	g.calls[c] = struct{}{}
	canceled := g.cancels
	c.canceled = canceled
	g.mu.Unlock()
	if canceled {
		c.End(context.Canceled, errWithdrawn)
	}
	return c
}

// end ends it, and reports whether it had been canceled.
func (g *gate) end(c *call) (canceled bool) {
	g.mu.Lock()
	delete(g.calls, c)
	canceled = c.canceled
	g.mu.Unlock()
	c.End(context.Canceled, nil)
	return canceled
}

// counts returns how many calls run, and have ended.
func (g *gate) counts() (running int, ended int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running, g.ended
}

// drain waits for running calls until patience ends, and cancels them then. It
// returns how many that were, and how many of them run on.
func (g *gate) drain(patience context.Context) (canceled, abandoned int) {
	idle := g.whenIdle()
	select {
	case <-idle:
		return 0, 0
	default:
	}
	select {
	case <-idle:
		return 0, 0
	case <-patience.Done():
	}
	canceled = g.cancel()
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case <-idle:
		return canceled, 0
	case <-grace.C:
	}
	abandoned, _ = g.counts()
	return canceled, abandoned
}

func (g *gate) whenIdle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running == 0 {
		idle := make(chan struct{})
		close(idle)
		return idle
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	return g.idle
}

func (g *gate) cancel() int {
	g.mu.Lock()
	g.cancels = true
	calls := slices.Collect(maps.Keys(g.calls))
	for _, c := range calls {
		c.canceled = true
	}
	g.mu.Unlock()
	for _, c := range calls {
		c.End(context.Canceled, errWithdrawn)
	}
	return len(calls)
}

// errWithdrawn is what a call is answered that did not end in time.
var errWithdrawn = mcperrors.Errorf(mcperrors.Unavailable, "this was removed or replaced while the call ran; it may have had effects")
