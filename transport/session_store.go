package transport

import (
	"context"
	"errors"
	"time"
)

// A SessionStore keeps what it takes to serve a legacy session at another
// replica than the one that opened it. All replicas of one server share it, and
// no other server does. Redis has each method as one command: SET, GETEX, SET
// with XX, and DEL.
//
// What moves: the client's initialize parameters, that it is initialized, its
// log level, and whose it is. What does not move: subscriptions of resources,
// for which go-sdk has no state, so that the client has to subscribe at the
// replica that serves its GET; a running call; and what the server asks its
// client. An answer or a notifications/cancelled that arrives at another replica
// than the call does nothing: elicitation, sampling and roots need stickiness.
//
// A replica that serves a session asks for it again every 10 seconds of use, or
// every third of [Options.SessionIdle] if that is less. So a session that is deleted
// serves no request for longer than that on any replica, and its streams and
// running calls end within 15 seconds. A log level that was set elsewhere comes
// with the first request after that; middleware sees it as a logging/setLevel of
// that caller. A session expires when it was in use nowhere for SessionIdle, and
// up to 20 seconds more.
//
// While the store fails, sessions that a replica does not know, initialize and
// DELETE are answered 503 with Retry-After. A session that was found there less
// than a minute ago is served on; after that its requests get 503 too, and only
// what is running goes on. Each operation has 2 seconds.
//
// Keys are digests of the session id and the principal: who reads the store
// learns neither, and another principal's request finds nothing. Who can write
// to it can open sessions, so guard it as you guard the server. Records are
// JSON, at most 32 KiB; a store takes them as opaque bytes.
//
// Methods are safe for concurrent use, and return when ctx ends. A ttl of zero
// means no limit; it is never negative. The bytes of a record are the caller's
// again when a method returns.
type SessionStore interface {
	// Create keeps a record under a key that is new.
	Create(ctx context.Context, key string, record []byte, ttl time.Duration) error
	// Load returns a record, which lives for ttl from now on. The error is
	// [ErrNoSession] if there is none or its time is over.
	Load(ctx context.Context, key string, ttl time.Duration) ([]byte, error)
	// Update replaces a record that is there. The error is [ErrNoSession] if
	// there is none: what was deleted must not come back.
	Update(ctx context.Context, key string, record []byte, ttl time.Duration) error
	// Delete removes a record, if there is one.
	Delete(ctx context.Context, key string) error
}

// ErrNoSession is what a [SessionStore] returns for a record that it does not
// have. It may be wrapped.
var ErrNoSession = errors.New("transport: no such session")
