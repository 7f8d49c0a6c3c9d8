package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

const (
	defaultPrefix  = "trestle"
	defaultTimeout = 100 * time.Millisecond
	defaultRetry   = time.Second
)

// LimitOptions configure [NewLimits]. Nil means the defaults.
type LimitOptions struct {
	// Prefix begins all keys: 1 to 64 characters of A–Z a–z 0–9 . _ -. Servers
	// with the same prefix share budgets. Empty means "trestle".
	Prefix string
	// Timeout is how long a decision waits for Redis before it is made without.
	// Zero means 100 ms; negative is a mistake.
	Timeout time.Duration
	// Retry is how long after a failure Redis is not asked. Then one decision
	// asks, and the others go on without till it has an answer. Zero means 1 s;
	// negative is a mistake.
	Retry time.Duration
	// Logger gets a warning with the cause when Redis fails, and a line when it
	// is back; no keys. Nil means no log.
	Logger *slog.Logger
}

// Limits makes limiters whose budgets are in one Redis. It has nothing to
// close; the client stays the caller's. It is safe for concurrent use.
type Limits struct {
	client  rueidis.Client
	prefix  string // of keys
	timeout time.Duration
	circuit *circuit
	log     *slog.Logger

	fallbacks atomic.Int64

	mu    sync.Mutex
	names map[string]bool
}

// NewLimits returns limits over client, or all mistakes in opts. It does not
// ask Redis for anything.
func NewLimits(client rueidis.Client, opts *LimitOptions) (*Limits, error) {
	if opts == nil {
		opts = &LimitOptions{}
	}
	prefix := cmp.Or(opts.Prefix, defaultPrefix)
	mistakes := usable(client, prefix)
	if opts.Timeout < 0 || opts.Retry < 0 {
		mistakes = errors.Join(mistakes, fmt.Errorf("redis: a timeout of %v or a retry after %v is negative", opts.Timeout, opts.Retry))
	}
	if mistakes != nil {
		return nil, mistakes
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	timeout := cmp.Or(opts.Timeout, defaultTimeout)
	return &Limits{
		client: client,
		// The braces keep all budgets in one slot of a cluster, where one script
		// can decide about several.
		prefix:  "{" + prefix + ":limits}:",
		timeout: timeout,
		circuit: newCircuit(timeout, cmp.Or(opts.Retry, defaultRetry)),
		log:     log,
		names:   map[string]bool{},
	}, nil
}

// Fallbacks returns how many decisions were made without Redis.
func (l *Limits) Fallbacks() int64 { return l.fallbacks.Load() }

// decide asks Redis about charges of own limiters, or decides without.
func (l *Limits) decide(ctx context.Context, charges []ratelimit.Charge) (ratelimit.Decision, error) {
	if err := ctx.Err(); err != nil {
		return ratelimit.Decision{}, err
	}
	turn, ok := l.circuit.enter()
	if ok {
		d, err := l.ask(ctx, charges)
		if err == nil {
			l.worked(turn)
			return d, nil
		}
		if ctx.Err() != nil { // says nothing of Redis
			return ratelimit.Decision{}, ctx.Err()
		}
		l.failed(turn, err)
	}
	l.fallbacks.Add(1)
	return l.without(ctx, charges)
}

func (l *Limits) worked(turn uint64) {
	if away, closed := l.circuit.worked(turn); closed {
		l.log.Info("redis rate limits work again", "after", away, "fallbacks", l.Fallbacks())
	}
}

func (l *Limits) failed(turn uint64, err error) {
	if l.circuit.failed(turn, err) {
		l.log.Warn("redis rate limits fail, deciding without", "error", err)
	}
}

// register reports whether name is new.
func (l *Limits) register(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.names[name]
	l.names[name] = true
	return !taken
}

func validName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return s != "" && len(s) <= 64 && strings.Trim(s, letters) == ""
}
