package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/redact"
)

const (
	// unknownEvery is how often a name that no key has may cause a fetch.
	unknownEvery = time.Minute
	// warmRetry is the pause after a failed refresh: known keys serve meanwhile.
	warmRetry = time.Minute
	// coldRetry is the first pause while there are no keys; it doubles up to
	// warmRetry.
	coldRetry = time.Second
)

// A keyring keeps the last good keys of an issuer. Fetches happen on demand, one
// at a time, on a goroutine of their own that lives for at most fetchTimeout:
// no caller can take one down by going away.
type keyring struct {
	load    func(context.Context) (*keySet, error)
	dropped func() // called after a key disappeared
	refresh time.Duration
	log     *slog.Logger

	current atomic.Pointer[keySet]
	staleAt atomic.Int64 // in nanoseconds since start: moving the clock does not matter
	start   time.Time

	mu          sync.Mutex
	flight      *flight
	failures    int           // in a row
	notBefore   time.Duration // since start: when to fetch again after a failure
	nextUnknown time.Duration // since start: when an unknown name may cause a fetch
}

// A flight is one fetch that many may wait for.
type flight struct {
	done chan struct{}
	err  error
}

// need says why keys are fetched.
type need uint8

const (
	cold    need = iota // there are none
	stale               // it is time
	unknown             // a token names one that is not there
)

func newKeyring(load func(context.Context) (*keySet, error), refresh time.Duration, dropped func(), log *slog.Logger) *keyring {
	return &keyring{load: load, refresh: refresh, dropped: dropped, log: log, start: time.Now()}
}

// touch starts a fetch in the background when the keys are due.
func (k *keyring) touch() {
	if k.current.Load() != nil && int64(time.Since(k.start)) > k.staleAt.Load() {
		k.begin(stale)
	}
}

// find returns the keys for a token; none if no such key is known. It fetches
// where that may help and is not too often. The error is unavailable while
// there are no keys at all.
func (k *keyring) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) ([]*jose.JSONWebKey, error) {
	set, err := k.warm(ctx)
	if err != nil {
		return nil, err
	}
	k.touch()
	if keys := set.find(kid, alg); keys != nil || kid == "" {
		return keys, nil
	}
	if f, _ := k.begin(unknown); f != nil {
		if err := f.wait(ctx); err != nil && canceled(ctx, err) {
			return nil, err
		}
	}
	// Not set: a fetch may have ended since it was read, with or without us.
	return k.current.Load().find(kid, alg), nil
}

// warm returns the keys, after fetching the first.
func (k *keyring) warm(ctx context.Context) (*keySet, error) {
	if set := k.current.Load(); set != nil {
		return set, nil
	}
	f, after := k.begin(cold)
	if f == nil {
		return nil, coldError(after, nil)
	}
	if err := f.wait(ctx); err != nil {
		if canceled(ctx, err) {
			return nil, err
		}
		return nil, coldError(coldRetry, err)
	}
	return k.current.Load(), nil
}

func coldError(after time.Duration, cause error) error {
	return &mcperrors.Error{
		Code: mcperrors.Unavailable, Message: "tokens cannot be verified now, retry shortly",
		RetryAfter: after, Cause: cause,
	}
}

// landed is a flight that has brought what was needed.
var landed = func() *flight {
	f := &flight{done: make(chan struct{})}
	close(f.done)
	return f
}()

// begin returns the fetch that is under way, or starts one, or returns nil and
// how long to wait if it is too early for one.
func (k *keyring) begin(why need) (*flight, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Since(k.start)
	if k.flight != nil {
		return k.flight, 0
	}
	// Whoever asked may have been overtaken by a fetch that has just ended.
	overtaken := why == cold && k.current.Load() != nil || why == stale && int64(now) <= k.staleAt.Load()
	if overtaken {
		return landed, 0
	}
	wait := k.notBefore - now
	if why == unknown {
		wait = max(wait, k.nextUnknown-now)
	}
	if wait > 0 {
		return nil, wait
	}
	if why == unknown {
		k.nextUnknown = now + unknownEvery
	}
	f := &flight{done: make(chan struct{})}
	k.flight = f
	go k.fly(f)
	return f, 0
}

func (k *keyring) fly(f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := k.safeLoad(ctx)
	old := k.current.Load()
	now := time.Since(k.start)

	k.mu.Lock()
	if err == nil {
		k.failures, k.notBefore = 0, 0
		k.staleAt.Store(int64(now + k.refresh))
		k.current.Store(set)
	} else {
		k.notBefore = now + k.pause(old != nil)
		k.failures++
	}
	k.flight, f.err = nil, err
	k.mu.Unlock()

	switch {
	case err != nil:
		k.log.LogAttrs(ctx, slog.LevelWarn, "fetching token keys failed",
			slog.Bool("known_keys_serve", old != nil), slog.String("cause", redact.String(err.Error())))
	case old != nil && !set.keepsAllOf(old):
		k.dropped()
	}
	close(f.done)
}

// safeLoad keeps a panic, of a transport that the program brought or of a
// parser, from taking the process down.
func (k *keyring) safeLoad(ctx context.Context) (set *keySet, err error) {
	defer func() {
		if p := recover(); p != nil {
			set, err = nil, fmt.Errorf("it panicked: %v", p)
		}
	}()
	return k.load(ctx)
}

func (k *keyring) pause(warm bool) time.Duration {
	if warm {
		return warmRetry
	}
	return min(coldRetry<<min(k.failures, 10), warmRetry)
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
