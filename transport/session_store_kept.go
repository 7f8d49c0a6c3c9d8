package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A keptSession is the place of a live session in the store.
type keptSession struct {
	keeper *sessionKeeper
	s      *session
	key    string
	tag    string // of requests to the client, see outgoing
	stored atomic.Bool

	mu        sync.Mutex  // held while the store is asked: one request asks for all
	timer     *time.Timer // of recheck
	over      bool
	confirmed time.Time        // when the store last had the session
	next      time.Time        // when to ask again
	level     mcp.LoggingLevel // of go-sdk's session
	wanted    mcp.LoggingLevel // in the store
	pending   change
}

// adopt gives s, which nobody knows yet, its place in the store.
func (k *sessionKeeper) adopt(s *session) {
	s.kept = &keptSession{keeper: k, s: s, key: recordKey(s.id, s.owner), tag: rand.Text()}
	s.listen.id = standalone + rand.Text()
}

// create enters the session when go-sdk has initialized it.
func (k *keptSession) create(ctx context.Context) error {
	p := k.s.sdk.InitializeParams()
	if p == nil { // a middleware answered in place of go-sdk
		p = &mcp.InitializeParams{ProtocolVersion: k.s.version}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	err := k.keeper.create(ctx, newRecord(k.key, k.s.version, p))
	switch {
	case errors.Is(err, errRecordSize):
		return invalidParams("the parameters of initialize are too long to be kept").err
	case err != nil:
		return &mcperrors.Error{
			Code: mcperrors.Unavailable, Message: "the session cannot be kept now, retry shortly", RetryAfter: retryAfter, Cause: err,
		}
	}
	k.stored.Store(true)
	k.confirmed, k.next = now, now.Add(k.keeper.recheck)
	return nil
}

// confirm makes sure that the session is still in the store. It asks only now
// and then.
func (k *keptSession) confirm(ctx context.Context) *refusal {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !time.Now().Before(k.next) {
		if err := k.sync(ctx); errors.Is(err, ErrNoSession) {
			return sessionNotFound()
		}
	}
	if time.Since(k.confirmed) >= storeGrace {
		return storeFailed(k.s.version)
	}
	return nil
}

// sync asks the store, and tells it what is pending. It wants k.mu.
func (k *keptSession) sync(ctx context.Context) error {
	now := time.Now()
	r, err := k.keeper.load(ctx, k.key)
	if err == nil && k.pending != (change{}) {
		k.pending.apply(r)
		err = k.keeper.update(ctx, r)
	}
	switch {
	case err == nil:
		k.pending = change{}
		k.wanted = r.LogLevel
		k.confirmed, k.next = now, now.Add(k.keeper.recheck)
	case errors.Is(err, ErrNoSession):
		k.next = time.Time{}
	default:
		k.next = time.Now().Add(storeRetry)
	}
	return err
}

// learn tells the store what the session learned. If the store fails, it is
// told later: the session goes on.
func (k *keptSession) learn(ctx context.Context, c change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending.initialized = k.pending.initialized || c.initialized
	if c.level != "" {
		k.pending.level, k.level, k.wanted = c.level, c.level, c.level
	}
	_ = k.sync(ctx) // the next request finds out
}

// initialized is called when the client has said so.
func (k *keptSession) initialized(ctx context.Context) { k.learn(ctx, change{initialized: true}) }

// served is called before the answer to a call that succeeded.
func (k *keptSession) served(c *call) {
	if req, ok := c.direct.(*mcp.ServerRequest[*mcp.SetLoggingLevelParams]); ok && slices.Contains(levels[:], req.Params.Level) {
		k.learn(&c.ctx, change{level: req.Params.Level})
	}
}

// newLevel returns the log level that was set at another replica, once.
func (k *keptSession) newLevel() (mcp.LoggingLevel, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wanted == "" || k.wanted == k.level {
		return "", false
	}
	k.level = k.wanted
	return k.level, true
}

// watch looks after a session that has no requests, but open streams or calls.
func (k *keptSession) watch() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.over {
		k.timer = time.AfterFunc(k.period(), k.look)
	}
}

func (k *keptSession) period() time.Duration { return max(k.keeper.recheck/2, 1) }

// look is the timer. It takes no longer than one operation of the store.
func (k *keptSession) look() {
	if k.s.inUse() {
		if ref := k.confirm(context.Background()); ref != nil && ref.status == sessionNotFound().status {
			k.s.end(SessionGone)
			return
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.over {
		k.timer.Reset(k.period())
	}
}

// ending is called when the session ends, with its lock held. What the server
// closed must not be rebuilt before the store has heard of it.
func (k *keptSession) ending(why SessionEnd) {
	if why == SessionClosed && k.stored.Load() {
		k.keeper.bury(k.key)
	}
}

// ended is called when the session has ended, with no lock held.
func (k *keptSession) ended(why SessionEnd) {
	k.mu.Lock()
	k.over = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.mu.Unlock()
	if why == SessionClosed && k.stored.Load() {
		_ = k.keeper.delete(context.Background(), k.key) // logged; it expires then
		k.keeper.exhume(k.key)
	}
}

// isOver reports whether a session that ended so is at its end everywhere.
func (s *session) isOver(why SessionEnd) bool {
	return s.kept == nil || (why != SessionDrained && why != SessionExpired)
}

// inUse reports whether a request or a stream is open.
func (s *session) inUse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uses > 0 && !s.ended
}
