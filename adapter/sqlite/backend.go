package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

// Options of [Open]. The zero value is ready.
type Options struct {
	// Readers is how many reads may run at the same time, and how many of views;
	// others wait. Zero or negative means 4.
	Readers int
	// BusyTimeout is how long a write waits for another process that writes.
	// Zero or negative means 10 seconds.
	BusyTimeout time.Duration
	// Poll is how often a subscription looks for what other processes wrote.
	// Zero means 100 milliseconds; negative means never: no other process writes.
	Poll time.Duration
	// VerifyEvents is how many of the last events Open checks. When the file has
	// no more than that, it checks the whole file. Zero means 10,000; negative
	// means the whole file, however large.
	VerifyEvents int
}

func (o Options) withDefaults() Options {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 10 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = 100 * time.Millisecond
	}
	if o.VerifyEvents == 0 {
		o.VerifyEvents = 10_000
	}
	return o
}

// Backend is an [eventstore.Backend] with [eventstore.Snapshots] and
// [eventstore.Views] in an SQLite file. It is safe for concurrent use.
type Backend struct {
	path   string
	opts   Options
	read   *sql.DB
	views  *sql.DB // for reads that call back
	writer *writer
	ack    *ackFile

	mu     sync.RWMutex // held by reads, so that Close waits for them
	closed bool
	done   chan struct{} // closed by Close
	// viewing are the reads that call back.
	viewing sync.WaitGroup

	growth sync.Mutex
	grown  chan struct{} // closed and replaced at each append of this process
}

// Open opens the file at path, and makes it where there is none. Nil options
// mean the zero value. A file that cannot be trusted is refused with a
// [*CorruptError], unchanged.
func Open(ctx context.Context, path string, opts *Options) (*Backend, error) {
	abs, err := filepath.Abs(path)
	if err := errors.Join(err, registerTake()); err != nil {
		return nil, err
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	b := &Backend{path: abs, opts: o.withDefaults(), done: make(chan struct{}), grown: make(chan struct{})}
	if err := b.open(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Backend) open(ctx context.Context) error {
	if err := b.inspect(ctx); err != nil {
		return err
	}
	// The events are nobody else's; the files beside it inherit its permissions.
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if b.writer, err = openWriter(ctx, b); err != nil {
		return b.explain(err)
	}
	if b.ack, err = openAck(b.path + "-ack"); err != nil {
		return err
	}
	for _, db := range []**sql.DB{&b.read, &b.views} {
		if *db, err = sql.Open("sqlite", b.dsn("query_only(1)")); err != nil {
			return err
		}
		(*db).SetMaxOpenConns(b.opts.Readers)
		(*db).SetMaxIdleConns(b.opts.Readers)
	}
	b.writer.start()
	return nil
}

// dsn names the file to the driver, with pragmas in the order in which they run.
func (b *Backend) dsn(pragmas ...string) string {
	q := url.Values{"_pragma": {"busy_timeout(" + strconv.FormatInt(b.opts.BusyTimeout.Milliseconds(), 10) + ")"}}
	q["_pragma"] = append(q["_pragma"], pragmas...)
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(b.path), RawQuery: q.Encode()}
	return u.String()
}

// Append implements [eventstore.Backend].
func (b *Backend) Append(ctx context.Context, a eventstore.Append) ([]eventstore.Event, error) {
	var out []eventstore.Event
	err := b.writer.do(ctx, func(tx *tx) (err error) {
		out, err = tx.append(a)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Head implements [eventstore.Backend].
func (b *Backend) Head(ctx context.Context) (eventstore.Position, error) {
	if err := b.enter(ctx); err != nil {
		return eventstore.Position{}, err
	}
	defer b.mu.RUnlock()
	var n int64
	if err := b.read.QueryRowContext(ctx, headQuery).Scan(&n); err != nil {
		return eventstore.Position{}, b.readError(ctx, err)
	}
	return position(n), nil
}

// Wait implements [eventstore.Backend].
func (b *Backend) Wait(ctx context.Context, after eventstore.Position) error {
	var poll <-chan time.Time
	if b.opts.Poll > 0 {
		ticker := time.NewTicker(b.opts.Poll)
		defer ticker.Stop()
		poll = ticker.C
	}
	for {
		b.growth.Lock()
		grown := b.grown
		b.growth.Unlock()
		head, err := b.Head(ctx)
		if err != nil || head.Compare(after) > 0 {
			return err
		}
		select {
		case <-grown:
		case <-poll:
		case <-b.done:
		case <-ctx.Done():
		}
	}
}

// acknowledged is called after each commit, with the last position in it.
func (b *Backend) acknowledged(last int64) {
	b.ack.write(last)
	b.growth.Lock()
	defer b.growth.Unlock()
	close(b.grown)
	b.grown = make(chan struct{})
}

// Close implements [eventstore.Backend]. It waits for the appends and reads
// that run, and for subscriptions to notice.
func (b *Backend) Close() error {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock() // what calls back may try to read, and is refused
	if closed {
		return nil
	}
	close(b.done)
	b.viewing.Wait()
	var errs []error
	for _, db := range []*sql.DB{b.read, b.views} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if b.writer != nil { // the last one, so that it moves the log into the file
		errs = append(errs, b.writer.close())
	}
	if b.ack != nil {
		errs = append(errs, b.ack.close())
	}
	return errors.Join(errs...)
}

// enter begins a read; nil must be followed by b.mu.RUnlock.
func (b *Backend) enter(ctx context.Context) error {
	b.mu.RLock()
	err := ctx.Err()
	if b.closed {
		err = eventstore.ErrClosed
	}
	if err != nil {
		b.mu.RUnlock()
	}
	return err
}

// readError tells the end of a context from an error of the file: interrupted
// by the one, SQLite may answer with the other.
func (b *Backend) readError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return b.explain(err)
}

// Path returns the absolute path of the file.
func (b *Backend) Path() string { return b.path }

// String names the backend in logs.
func (b *Backend) String() string { return fmt.Sprintf("sqlite(%s)", b.path) }
