package mcptest

import (
	"bytes"
	"context"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// leaks looks, when a test has ended, for what its client left behind.
type leaks struct {
	allowed bool
	left    []leak
}

type leak struct {
	what  string
	there func() bool
}

// LeaksAllowed lets the test pass when goroutines that were started on behalf of
// the client, or its session, are still there after it has disconnected: for
// servers that start something of their own in a call and keep it. Idle
// connections of net/http and database/sql are no leak anyway.
func LeaksAllowed() Option { return func(c *config) { c.leaks.allowed = true } }

// NoneLeft has the test fail if count is not zero after the client has
// disconnected, such as the leases of a pool. what names it.
func NoneLeft(what string, count func() int) Option {
	return func(c *config) { c.leaks.none(what, func() bool { return count() != 0 }) }
}

func (l *leaks) none(what string, there func() bool) {
	l.left = append(l.left, leak{what, there})
}

// leakLabel marks the goroutines that are started on behalf of a client: they
// and all that they start inherit it, whatever runs beside them.
const leakLabel = "mcptest"

var leakCount atomic.Int64

// start runs f so that what it starts is known, and has it looked for when all
// else that is cleaned up behind it is done.
func (l *leaks) start(tb testing.TB, patience time.Duration, f func()) {
	tb.Helper()
	id := strconv.FormatInt(leakCount.Add(1), 10)
	tb.Cleanup(func() {
		if !l.allowed && !tb.Failed() {
			l.check(tb, id, patience)
		}
	})
	pprof.Do(tb.Context(), pprof.Labels(leakLabel, id), func(context.Context) { f() })
}

// check waits for the ends of goroutines and sessions that are on their way.
func (l *leaks) check(tb testing.TB, id string, patience time.Duration) {
	tb.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	pause := time.Millisecond
	for {
		problem := l.look(id)
		if problem == "" {
			return
		}
		select {
		case <-deadline.C:
			tb.Errorf("mcptest: left behind by the client: %s", problem)
			return
		case <-time.After(pause):
			pause = min(2*pause, 100*time.Millisecond)
		}
	}
}

func (l *leaks) look(id string) string {
	for _, k := range l.left {
		if k.there() {
			return k.what
		}
	}
	return strings.Join(labeled(id), "\n")
}

// kept are goroutines that a server starts when they are first needed and keeps:
// they are not the client's. Each is known by all of some calls in its stack.
var kept = [][]string{
	{"trestle/transport.(*loopConn).Read"}, // sessions that serve all modern callers
	{"trestle/plugin.(*Manager).again"},    // the time until a circuit is tried again
	// An idle connection to an upstream. One whose answer nobody reads waits elsewhere.
	{"net/http.(*persistConn).readLoop", "bufio.(*Reader).Peek"},
	{"net/http.(*persistConn).writeLoop"},
	{"clientConnReadLoop).run"}, // HTTP/2
	{"database/sql.(*DB)."},
}

// labeled returns the stacks of the goroutines with a label.
func labeled(id string) []string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil
	}
	var stacks []string
	mark := strconv.Quote(leakLabel) + ":" + strconv.Quote(id)
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, mark) && !slices.ContainsFunc(kept, func(calls []string) bool { return containsAll(stack, calls) }) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

func containsAll(s string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(s, p) })
}
