package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// Options of a [Backend]. The zero value is ready.
type Options struct {
	// Schema is the PostgreSQL schema that holds the store; it is made when it is
	// not there. Several stores may share a database, each in its own schema.
	// Empty means "trestle". It has at most 63 bytes.
	Schema string
	// Poll is how long an event may stay unnoticed by [Backend.Wait] when no
	// notification arrives. Zero or negative means one second.
	Poll time.Duration
	// Patience is how long an operation is tried again while the server cannot be
	// reached or cuts connections, before it fails with [mcperrors.Unavailable].
	// It also bounds the wait for a connection of the pool. Zero means 5 seconds;
	// negative means that nothing is tried again.
	Patience time.Duration
}

// A Backend keeps events in PostgreSQL. Make one with [Open]. It is safe for
// concurrent use, and so are any number of them, in any number of processes,
// over one schema.
type Backend struct {
	pool     *pgxpool.Pool
	sql      statements
	schema   string
	key      int64 // of the advisory lock that writers share
	poll     time.Duration
	patience time.Duration

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // operations
	closing chan struct{}  // closed by Close
	stop    context.CancelFunc
	owned   sync.WaitGroup // goroutines of the backend
	watcher watcher
	notices chan struct{} // capacity 1: others are to be told of an append
}

var (
	_ eventstore.Backend   = (*Backend)(nil)
	_ eventstore.Snapshots = (*Backend)(nil)
	_ eventstore.Views     = (*Backend)(nil)
)

// Open returns the store in a schema of the pool's database, after it has brought
// the schema to the form this version needs. Any number of replicas may do so at
// once. Nothing is ever dropped. Where the schema is up to date, the role needs
// no right to create.
//
// The pool stays the caller's, who closes it after the backend. Each backend
// that is waited on takes one connection out of the pool and keeps it to listen.
// Nil options mean the zero value. Close the backend.
func Open(ctx context.Context, pool *pgxpool.Pool, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Schema == "" {
		o.Schema = "trestle"
	}
	if len(o.Schema) > 63 {
		return nil, mcperrors.Errorf(mcperrors.Validation, "a schema name has at most 63 bytes")
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	background, stop := context.WithCancel(context.Background())
	b := &Backend{
		pool:     pool,
		sql:      newStatements(o.Schema),
		schema:   o.Schema,
		key:      lockKey("writers", o.Schema),
		poll:     o.Poll,
		patience: o.Patience,
		closing:  make(chan struct{}),
		stop:     stop,
		notices:  make(chan struct{}, 1),
	}
	b.watcher.init()
	if err := b.do(ctx, b.migrate); err != nil {
		stop()
		return nil, err
	}
	b.owned.Go(func() { b.notify(background) })
	b.watcher.start = sync.OnceFunc(func() {
		b.owned.Go(func() { b.listen(background) })
		b.owned.Go(func() { b.watch(background) })
	})
	return b, nil
}

// Close implements [eventstore.Backend]. It waits for the operations that run,
// and not for those that only try again.
func (b *Backend) Close() error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.closing)
	}
	b.mu.Unlock()
	b.running.Wait()
	b.stop()
	b.owned.Wait()
	return nil
}

// begin counts an operation, unless the backend is closed.
func (b *Backend) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return eventstore.ErrClosed
	}
	b.running.Add(1)
	return nil
}

// lockKey returns the number of an advisory lock of a schema.
func lockKey(what, schema string) int64 {
	sum := sha256.Sum256([]byte("trestle eventstore " + what + "\x00" + schema))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any 64 bits will do
}

// channel is where the schema's writers send notifications.
func (b *Backend) channel() string {
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], uint64(b.key)) //nolint:gosec // any 64 bits will do
	return "trestle_" + hex.EncodeToString(key[:])
}
