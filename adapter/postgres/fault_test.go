package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

func TestAppend_SurvivesCutConnections(t *testing.T) {
	name := t.Name()
	pool := newPool(t, testURL(), name, writers+4)
	admin := newPool(t, testURL(), name+" admin", 1)
	b := open(t, pool, &postgres.Options{Schema: newSchema(t, admin), Poll: 50 * time.Millisecond, Patience: 20 * time.Second})
	store := eventstore.New(b, nil)
	f := follow(t, store)
	l := startLoad(t, store)
	cut := 0
	for range 15 {
		l.until(60)
		var n int
		const q = `select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1`
		if err := admin.QueryRow(t.Context(), q, name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		cut += n
	}
	f.sawAll(l.end())
	if cut < 15 {
		t.Errorf("%d connections were cut", cut)
	}
}

func TestAppend_SurvivesRestartsOfTheServer(t *testing.T) {
	s := startServer(t)
	pool := newPool(t, s.url(), t.Name(), writers+4)
	b := open(t, pool, &postgres.Options{Poll: 50 * time.Millisecond, Patience: patience})
	store := eventstore.New(b, nil)
	f := follow(t, store)
	l := startLoad(t, store)
	for _, mode := range []string{"fast", "immediate", "immediate"} {
		l.until(200)
		s.stop(t, mode)
		s.start(t)
	}
	l.until(200)
	f.sawAll(l.end())
}

// A road is a TCP proxy that can be closed.
type road struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	closed bool
	turned int // connections that found it closed
	conns  []net.Conn
	wg     sync.WaitGroup
}

func newRoad(t *testing.T, to string) *road {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{listener: l, to: to}
	r.wg.Go(r.serve)
	t.Cleanup(func() {
		_ = l.Close()
		r.set(true)
		r.wg.Wait()
	})
	return r
}

func (r *road) serve() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", r.to)
		r.mu.Lock()
		if err != nil || r.closed {
			r.turned++
			_ = from.Close()
			if err == nil {
				_ = to.Close()
			}
		} else {
			r.conns = append(r.conns, from, to)
			r.wg.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
			r.wg.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
		}
		r.mu.Unlock()
	}
}

// set closes the road, with all that is on it, or opens it again.
func (r *road) set(closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = closed
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func (r *road) tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turned
}

// throughRoad returns a backend behind a proxy, and one beside it.
func throughRoad(t *testing.T, opts postgres.Options) (r *road, behind, beside *postgres.Backend, release func()) {
	t.Helper()
	direct := newPool(t, testURL(), t.Name(), 6)
	config := direct.Config().ConnConfig
	r = newRoad(t, net.JoinHostPort(config.Host, fmt.Sprint(config.Port)))
	opts.Schema = newSchema(t, direct)
	beside = open(t, direct, &opts)
	u := fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", config.User, config.Password, r.listener.Addr(), config.Database)
	behind = open(t, newPool(t, u, t.Name(), 4), &opts)
	return r, behind, beside, holdCommits(t, direct, opts.Schema, "slow")
}

func TestAppend_SaysThatItsOutcomeIsUnknown(t *testing.T) {
	r, b, beside, release := throughRoad(t, postgres.Options{Patience: 200 * time.Millisecond})
	store := eventstore.New(b, nil)
	failed := make(chan error, 1)
	go func() {
		_, err := store.Append(t.Context(), "slow", eventstore.NoStream, eventsOf("e", 3)...)
		failed <- err
	}()
	waitHeld(t, newPool(t, testURL(), t.Name(), 1), beside)
	r.set(true)
	err := <-failed
	if !errors.Is(err, postgres.ErrUnknownOutcome) || mcperrors.CodeOf(err) != mcperrors.Unavailable {
		t.Errorf("an append cut at its commit: %v", err)
	}
	if strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(strings.ToLower(err.Error()), "insert") {
		t.Errorf("the public text tells too much: %v", err)
	}
	if _, err := store.Head(t.Context()); mcperrors.CodeOf(err) != mcperrors.Unavailable || errors.Is(err, postgres.ErrUnknownOutcome) {
		t.Errorf("a read without a server: %v", err)
	}
	release()
	r.set(false)
	eventually(t, "the store is back", func() bool { _, err := store.Head(t.Context()); return err == nil })
	got, err := store.Append(t.Context(), "slow", eventstore.NoStream, eventsOf("e", 3)...)
	if err != nil || got[0].Version != 1 {
		t.Fatalf("the retry: %v, %v", got, err)
	}
	if all := ids(t, store, eventstore.Filter{}); len(all) != 3 {
		t.Errorf("the store has %v", all)
	}
}

func TestAppend_RepeatsWhatWasCutAtItsCommit(t *testing.T) {
	r, b, beside, release := throughRoad(t, postgres.Options{Patience: 20 * time.Second})
	store := eventstore.New(b, nil)
	type outcome struct {
		events []eventstore.Event
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		got, err := store.Append(t.Context(), "slow", eventstore.NoStream, eventsOf("e", 3)...)
		done <- outcome{got, err}
	}()
	direct := newPool(t, testURL(), t.Name(), 1)
	waitHeld(t, direct, beside)
	r.set(true)
	// Closed until what pgx sends to cancel the first try has come to nothing.
	eventually(t, "the road is tried", func() bool { return r.tried() >= 5 })
	r.set(false)
	// The first try goes on in the server; the second one waits for its lock.
	eventually(t, "the append is tried again", func() bool {
		var n int
		const q = `select count(*) from pg_stat_activity where application_name = $1 and wait_event = 'advisory'`
		return direct.QueryRow(t.Context(), q, t.Name()).Scan(&n) == nil && n >= 2
	})
	release()
	got := <-done
	if got.err != nil || len(got.events) != 3 || got.events[2].Version != 3 {
		t.Fatalf("append: %+v", got)
	}
	if all := ids(t, store, eventstore.Filter{}); len(all) != 3 {
		t.Errorf("the store has %v", all)
	}
}

func TestAppend_EndsWithItsContext(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 6)
	schema := newSchema(t, pool)
	b := open(t, pool, &postgres.Options{Schema: schema})
	store := eventstore.New(b, nil)
	release := holdCommits(t, pool, schema, "slow")
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := store.Append(t.Context(), "slow", eventstore.Any, eventsOf("first", 1)...)
		first <- err
	}()
	waitHeld(t, pool, b)
	go func() { // waits for the lock of the stream
		_, err := store.Append(ctx, "slow", eventstore.Any, eventsOf("second", 1)...)
		second <- err
	}()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled append: %v", err)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if all := ids(t, store, eventstore.Filter{}); len(all) != 1 {
		t.Errorf("the store has %v", all)
	}
}
