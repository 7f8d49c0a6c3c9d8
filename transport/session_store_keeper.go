package transport

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// What [SessionStore] promises.
const (
	storeTimeout = 2 * time.Second  // of one operation
	storeRecheck = 10 * time.Second // how old what is known of a session may be
	storeGrace   = time.Minute      // the same, while the store fails
	storeRetry   = time.Second      // after a failure
)

// A sessionKeeper keeps the sessions of one handler in step with the store.
type sessionKeeper struct {
	store   SessionStore
	table   *sessionTable
	calls   *calls
	log     *slog.Logger
	recheck time.Duration
	ttl     time.Duration // 0: no limit
	failing atomic.Bool

	mu      sync.Mutex
	flights map[string]*rebuilding
	buried  map[string]struct{} // closed by the server, and perhaps still in the store
}

func newSessionKeeper(t *sessionTable, c *calls, o *settings) *sessionKeeper {
	k := &sessionKeeper{
		store: o.sessionStore, table: t, calls: c, log: o.log, recheck: storeRecheck,
		flights: map[string]*rebuilding{}, buried: map[string]struct{}{},
	}
	if o.idle > 0 {
		k.recheck = min(storeRecheck, max(o.idle/3, 1))
		// The last use may be that much younger than the last time it was told.
		k.ttl = o.idle + 2*k.recheck
	}
	return k
}

// do runs one operation. A panic in it is an error.
func (k *sessionKeeper) do(ctx context.Context, operation func(context.Context) error) (err error) {
	// A client that leaves must not leave the store behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		k.report(ctx, err)
	}()
	return operation(ctx)
}

// report logs when the store begins to fail and when it works again.
func (k *sessionKeeper) report(ctx context.Context, err error) {
	failed := err != nil && !errors.Is(err, ErrNoSession)
	if k.failing.Swap(failed) == failed {
		return
	}
	if failed {
		k.log.LogAttrs(ctx, slog.LevelError, "session store fails", slog.Any("error", err), slog.String("stack", stackOf(err)))
	} else {
		k.log.LogAttrs(ctx, slog.LevelInfo, "session store works again")
	}
}

// load returns the record of key. What is none is [ErrNoSession].
func (k *sessionKeeper) load(ctx context.Context, key string) (*sessionRecord, error) {
	var data []byte
	err := k.do(ctx, func(ctx context.Context) (err error) {
		data, err = k.store.Load(ctx, key, k.ttl)
		return err
	})
	if err != nil {
		return nil, err
	}
	r, err := decodeRecord(key, data)
	if err != nil {
		k.log.LogAttrs(ctx, slog.LevelWarn, "session record refused", slog.Int("bytes", len(data)))
		return nil, ErrNoSession
	}
	return r, nil
}

func (k *sessionKeeper) create(ctx context.Context, r *sessionRecord) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	return k.do(ctx, func(ctx context.Context) error { return k.store.Create(ctx, r.Key, data, k.ttl) })
}

func (k *sessionKeeper) update(ctx context.Context, r *sessionRecord) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	return k.do(ctx, func(ctx context.Context) error { return k.store.Update(ctx, r.Key, data, k.ttl) })
}

func (k *sessionKeeper) delete(ctx context.Context, key string) error {
	return k.do(ctx, func(ctx context.Context) error { return k.store.Delete(ctx, key) })
}

// storeFailed is the answer where only the store could tell.
func storeFailed(version string) *refusal {
	return coded(&mcperrors.Error{
		Code: mcperrors.Unavailable, Message: "sessions cannot be looked up now, retry shortly", RetryAfter: retryAfter,
	}, version)
}
