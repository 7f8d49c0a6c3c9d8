package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/eventstore"
)

// A watcher knows the last visible event, for all who wait. It asks when it is
// hinted at something and, since hints may be lost, at every poll.
type watcher struct {
	start func()        // begins the goroutines, once
	hints chan struct{} // capacity 1

	mu    sync.Mutex
	head  eventstore.Position
	moved chan struct{} // closed and replaced when who waits should look
}

func (w *watcher) init() {
	w.hints = make(chan struct{}, 1)
	w.moved = make(chan struct{})
}

// hint asks for a look and never waits.
func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wake lets everybody look who waits. It reports whether head is news.
func (w *watcher) wake(head eventstore.Position, anyway bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	news := head.Compare(w.head) > 0
	if news {
		w.head = head
	}
	if news || anyway {
		close(w.moved)
		w.moved = make(chan struct{})
	}
	return news
}

// Wait implements [eventstore.Backend]. It outlasts a server that is away.
func (b *Backend) Wait(ctx context.Context, after eventstore.Position) error {
	if err := b.begin(); err != nil {
		return err
	}
	b.watcher.start()
	// Not an operation that Close would have to wait for.
	b.running.Done()

	w := &b.watcher
	w.mu.Lock()
	news, moved := w.head.Compare(after) > 0, w.moved
	w.mu.Unlock()
	if news {
		return ctx.Err()
	}
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-b.closing:
		return eventstore.ErrClosed
	}
}

// soonest is how soon the watcher looks again after events that are held back.
const soonest = 2 * time.Millisecond

// watch looks for the last visible event until ctx ends.
func (b *Backend) watch(ctx context.Context) {
	next := soonest
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.watcher.hints:
		case <-timer.C:
		}
		head, held, err := b.look(ctx)
		switch {
		case err != nil:
			// Whoever waits finds out by reading, with the patience of reading.
			b.watcher.wake(eventstore.Position{}, true)
			next = b.poll
		case b.watcher.wake(head, false):
			next = soonest
		default:
			next = min(2*next, b.poll)
		}
		if err == nil && !held {
			next = b.poll
		}
		timer.Reset(next)
	}
}

// look returns the last visible event, and if there are others behind it.
func (b *Backend) look(ctx context.Context) (head eventstore.Position, held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(b.poll, 5*time.Second))
	defer cancel()
	err = b.once(ctx, time.Now().Add(b.patience), func(ctx context.Context, conn *pgxpool.Conn) error {
		horizon, err := b.horizon(ctx, conn)
		if err != nil {
			return err
		}
		if head, err = b.headBelow(ctx, conn, horizon); err != nil {
			return err
		}
		return conn.QueryRow(ctx, b.sql.held, horizon).Scan(&held)
	})
	return head, held, err
}

// listen turns notifications into hints, over one connection that it keeps,
// until ctx ends.
func (b *Backend) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := b.listenOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		retry := time.NewTimer(min(b.poll, time.Second))
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
		}
	}
}

func (b *Backend) listenOnce(ctx context.Context) error {
	pooled, err := b.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack()
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // nothing depends on how it ends
	}()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{b.channel()}.Sanitize()); err != nil {
		return err
	}
	for {
		hint(b.watcher.hints) // the first time for what came before
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

// tell lets this backend's watcher and those of others look.
func (b *Backend) tell() {
	hint(b.watcher.hints)
	hint(b.notices)
}

// notifyEvery is the shortest time between two notifications. The first one of
// a burst goes at once.
const notifyEvery = 10 * time.Millisecond

// notify tells others of appends until ctx ends, and then of the last one. What
// it has begun to tell it tells to the end, or for a second.
//
// It has a transaction of its own. A notification in that of an append would
// make all commits of the database wait for each other, and for the disk.
func (b *Backend) notify(ctx context.Context) {
	for {
		select {
		case <-b.notices:
			b.notifyOnce(ctx)
		case <-ctx.Done():
			select {
			case <-b.notices:
				b.notifyOnce(ctx)
			default:
			}
			return
		}
		pause := time.NewTimer(notifyEvery)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

func (b *Backend) notifyOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	const q = `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')`
	_, _ = b.pool.Exec(ctx, q, b.channel()) // a hint: polling finds what it would have told
}
