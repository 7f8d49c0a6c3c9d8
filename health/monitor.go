package health

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Monitor watches checks and knows how the process does. Make one with [New];
// it is safe for concurrent use. Its goroutines end with [Monitor.Close].
type Monitor struct {
	opts Options
	log  *slog.Logger

	status   atomic.Int32 // of readiness, without the drain
	draining atomic.Bool
	started  atomic.Bool

	mu      sync.Mutex
	watches map[string]*watch
	closed  bool
}

// New returns a monitor without checks, which is healthy. Nil options mean the
// defaults.
func New(o *Options) *Monitor {
	m := &Monitor{watches: map[string]*watch{}, log: slog.New(slog.DiscardHandler)}
	if o != nil {
		m.opts = *o
	}
	if m.opts.Logger != nil {
		m.log = m.opts.Logger
	}
	return m
}

// Register watches c from now on, until remove is called or the monitor is
// closed. Until the first result a critical check is unhealthy. remove does not
// wait for a check that runs; it may be called repeatedly.
//
// The error names every mistake in c, and a name that is taken.
func (m *Monitor) Register(c Check) (remove func(), err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{Check: c, m: m, stop: stop, done: make(chan struct{}), since: time.Now()}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		err = fmt.Errorf("health: check %q: the monitor is closed", c.Name)
	case m.watches[c.Name] != nil:
		err = fmt.Errorf("health: check %q: registered twice; remove the first to replace it", c.Name)
	}
	if err != nil {
		stop()
		return nil, err
	}
	w.status = w.verdict()
	m.watches[c.Name] = w
	m.settle()
	go w.run(ctx)
	return func() { m.remove(w) }, nil
}

func (m *Monitor) remove(w *watch) {
	w.stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watches[w.Name] == w {
		delete(m.watches, w.Name)
		m.settle()
	}
}

// change alters what is known of w and works out what follows.
func (m *Monitor) change(w *watch, alter func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	alter()
	was, is := w.status, w.verdict()
	if was != is {
		w.status, w.since = is, time.Now()
	}
	if m.watches[w.Name] != w {
		return // removed meanwhile
	}
	m.settle()
	if was != is {
		m.tell(w, was)
	}
}

func (m *Monitor) tell(w *watch, was Status) {
	level := slog.LevelInfo
	if w.status > was {
		level = slog.LevelWarn
	}
	m.log.Log(context.Background(), level, "health changed", "check", w.Name,
		"from", was.String(), "to", w.status.String(), "critical", !w.Optional, "output", w.output)
}

// settle works out the whole from its parts. It wants m.mu.
func (m *Monitor) settle() {
	worst, started := Healthy, true
	for _, w := range m.watches {
		worst = max(worst, w.status)
		started = started && (w.Optional || w.passed)
	}
	m.status.Store(int32(worst))
	if started && len(m.watches) > 0 {
		m.started.Store(true)
	}
}

// Status returns how ready the process is: as bad as its worst check, and
// unhealthy while it drains. It reads memory, and costs nanoseconds.
func (m *Monitor) Status() Status {
	if m.draining.Load() {
		return Unhealthy
	}
	return Status(m.status.Load()) //nolint:gosec // a Status was stored
}

// Started reports whether there was a moment at which every critical check had
// passed once. It stays true from then on. Without any check it is true.
func (m *Monitor) Started() bool {
	if m.started.Load() {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.watches) == 0
}

// Drain makes the process unready for good, so that no more calls are sent to
// it. Checks go on.
func (m *Monitor) Drain() { m.draining.Store(true) }

// Draining reports whether [Monitor.Drain] was called.
func (m *Monitor) Draining() bool { return m.draining.Load() }

// Close ends all checks, and waits for those that run until ctx ends: a check
// that ignores its context keeps its goroutine. The error says which did.
// Probes are answered still, from what was known last.
func (m *Monitor) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	all := make([]*watch, 0, len(m.watches))
	for _, w := range m.watches {
		w.stop()
		all = append(all, w)
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b *watch) int { return cmp.Compare(a.Name, b.Name) })
	var left []string
	for _, w := range all {
		select {
		case <-w.done:
			continue
		default:
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			left = append(left, w.Name)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("health: checks that do not end: %q: %w", left, context.Cause(ctx))
	}
	return nil
}
