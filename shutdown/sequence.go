package shutdown

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Defaults of [Options].
const (
	DefaultWait  = 5 * time.Second
	DefaultDrain = 10 * time.Second
)

// Options configure a [Sequence]. The zero value is the default.
type Options struct {
	// Wait is how long calls are served on after readiness is off.
	// Zero means 5 seconds; negative means not at all.
	Wait time.Duration
	// Drain is how long the stage Drain may take.
	// Zero means 10 seconds; negative means that what runs is canceled at once.
	Drain time.Duration
	// Signals start the sequence; a second one ends it. Nil means SIGINT and
	// SIGTERM; empty but not nil means none.
	Signals []os.Signal
	// Logger gets the progress. Nil means no log.
	Logger *slog.Logger
}

// A Sequence ends a process in order. Make one with [New]; it is safe for
// concurrent use, and runs once.
type Sequence struct {
	wait, drain time.Duration
	signals     []os.Signal
	log         *slog.Logger
	begun       chan struct{}

	mu      sync.Mutex
	ran     bool
	hooks   []*Hook
	current Stage // hooks of earlier stages come too late
	ended   bool
}

// New returns a sequence without hooks; nil options mean the defaults.
func New(o *Options) *Sequence {
	if o == nil {
		o = &Options{}
	}
	s := &Sequence{
		wait: resolve(o.Wait, DefaultWait), drain: resolve(o.Drain, DefaultDrain),
		signals: o.Signals, log: o.Logger, begun: make(chan struct{}), current: Unready,
	}
	if s.signals == nil {
		s.signals = []os.Signal{os.Interrupt, syscall.SIGTERM}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

func resolve(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return max(0, d)
}

// Add adds a hook. remove takes it back, unless it has been called. A hook
// added while the sequence runs is still called if its stage has not ended.
func (s *Sequence) Add(h Hook) (remove func()) {
	added := &h
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || h.Stage < s.current {
		s.log.Warn("a hook was added too late and will not run", "stage", h.Stage.String(), "hook", h.Name)
		return func() {}
	}
	s.hooks = append(s.hooks, added)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.hooks, added); i >= 0 {
			s.hooks = slices.Delete(s.hooks, i, i+1)
		}
	}
}

// Limit is the longest that the sequence takes after it was told to stop, with
// the hooks it has now: Wait, Drain, and the timeouts of the hooks that close
// and flush. Whoever kills the process after a grace period, such as Kubernetes,
// must wait longer than that.
func (s *Sequence) Limit() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.wait + s.drain
	for _, h := range s.hooks {
		if h.Stage >= Close {
			limit += h.timeout()
		}
	}
	return limit
}

// Begun is closed when the sequence begins.
func (s *Sequence) Begun() <-chan struct{} { return s.begun }

var errTwice = errors.New("shutdown: Run was called twice")

// take returns the hooks of a stage, the last first, and forgets them. With
// one it does so with the last alone.
func (s *Sequence) take(stage Stage, one bool) (taken []*Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = stage
	for _, h := range slices.Backward(s.hooks) {
		if h.Stage == stage && (!one || len(taken) == 0) {
			taken = append(taken, h)
		}
	}
	s.hooks = slices.DeleteFunc(s.hooks, func(h *Hook) bool { return slices.Contains(taken, h) })
	return taken
}

// begin reports whether the sequence has not run before.
func (s *Sequence) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ran {
		return false
	}
	s.ran = true
	return true
}

func (s *Sequence) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// bounded is a context that ends at the earlier of the two.
func bounded(ctx context.Context, timeout time.Duration, deadline time.Time) (context.Context, context.CancelFunc) {
	at := time.Now().Add(min(timeout, time.Until(deadline)))
	return context.WithDeadline(ctx, at)
}
