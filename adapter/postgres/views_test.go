package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

// totals keeps the number of events of each stream in a table of its own, and
// once more in the view. Both are written by the same transactions.
func totals(table string) eventstore.Projection {
	return eventstore.Projection{
		Name: "totals", Lease: time.Second, Backoff: time.Millisecond, BatchEvents: 20,
		Apply: func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
			tx, ok := postgres.TxFrom(ctx)
			if !ok {
				return errors.New("no transaction")
			}
			q := "insert into " + table + " as t (stream, n) values ($1, 1) on conflict (stream) do update set n = t.n + 1"
			if _, err := tx.Exec(ctx, q, e.Stream); err != nil {
				return err
			}
			n := 0
			if _, err := v.Get(ctx, e.Stream, &n); err != nil {
				return err
			}
			return v.Set(e.Stream, n+1)
		},
	}
}

func totalsTable(t *testing.T, pool *pgxpool.Pool, schema string) string {
	t.Helper()
	table := pgx.Identifier{schema, "totals"}.Sanitize()
	mustExec(t, pool, "create table "+table+" (stream text primary key, n int not null)")
	return table
}

func projecting(t *testing.T, s *eventstore.Store, p eventstore.Projection) (projector *eventstore.Projector, stop func()) {
	t.Helper()
	projector, err := eventstore.NewProjector(s, p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := projector.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return projector, stop
}

func caughtUp(t *testing.T, s *eventstore.Store, p *eventstore.Projector) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	head, err := s.Head(ctx)
	if err == nil {
		err = p.Wait(ctx, head)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// totalsFit compares the table, the view and the events.
func totalsFit(t *testing.T, s *eventstore.Store, pool *pgxpool.Pool, table string) {
	t.Helper()
	want, got := map[string]int{}, map[string]int{}
	for e, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		want[e.Stream]++
	}
	rows, err := pool.Query(t.Context(), "select stream, n from "+table)
	if err != nil {
		t.Fatal(err)
	}
	var stream string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&stream, &n}, func() error { got[stream] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	err = s.View(t.Context(), "totals", func(ctx context.Context, v *eventstore.View) error {
		for stream, w := range want {
			n := 0
			if _, err := v.Get(ctx, stream, &n); err != nil || n != w {
				t.Errorf("stream %s has %d events, %d in the view, %v", stream, w, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the table has %v, the events say %v", got, want)
	}
}

// TestProjection_AppliesEachEventOnceWhenConnectionsAreCut has 8 writers and two
// processes that project.
func TestProjection_AppliesEachEventOnceWhenConnectionsAreCut(t *testing.T) {
	name := t.Name()[:40] // the server cuts longer ones
	admin := newPool(t, testURL(), "admin of the cuts", 2)
	schema := newSchema(t, admin)
	opts := &postgres.Options{Schema: schema, Poll: 50 * time.Millisecond, Patience: 20 * time.Second}
	writing := eventstore.New(open(t, newPool(t, testURL(), name, writers+2), opts), nil)
	table := totalsTable(t, admin, schema)
	other := eventstore.New(open(t, newPool(t, testURL(), name, 4), opts), nil)
	p := totals(table)
	p.Retries = -1 // so that an event that is blamed for a cut shows
	one, _ := projecting(t, writing, p)
	two, _ := projecting(t, other, p)
	l := startLoad(t, writing)
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
	l.end()
	caughtUp(t, writing, one)
	caughtUp(t, other, two)
	totalsFit(t, writing, admin, table)
	if cut < 15 {
		t.Errorf("%d connections were cut", cut)
	}
	if status, err := one.Status(t.Context()); err != nil || status.Parked > 0 || status.Halted {
		t.Errorf("events were blamed for the cuts: %+v, %v", status, err)
	}
}

// TestProjection_GoesOnWithoutARunnerThatStoppedInItsTransaction has one stop in
// the midst of Apply, as a process does that is suspended, and wake up later.
func TestProjection_GoesOnWithoutARunnerThatStoppedInItsTransaction(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 10)
	schema := newSchema(t, pool)
	opts := &postgres.Options{Schema: schema, Poll: 50 * time.Millisecond}
	s := eventstore.New(open(t, pool, opts), nil)
	table := totalsTable(t, pool, schema)
	in, out := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := totals(table)
	p.Lease = 600 * time.Millisecond
	apply := p.Apply
	p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		err := apply(ctx, v, e)
		once.Do(func() { close(in); <-out })
		return err
	}
	one, stopOne := projecting(t, s, p)
	if _, err := s.Append(t.Context(), "a", eventstore.Any, eventsOf("e", 10)...); err != nil {
		t.Fatal(err)
	}
	<-in
	two, _ := projecting(t, s, totals(table))
	caughtUp(t, s, two)
	totalsFit(t, s, pool, table)
	close(out)
	eventually(t, "the one that stopped finds out", func() bool { return !one.Stats().Leading })
	totalsFit(t, s, pool, table)
	stopOne()
	if _, err := s.Append(t.Context(), "a", eventstore.Any, eventsOf("f", 10)...); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, s, two)
	totalsFit(t, s, pool, table)
}

func TestTxFrom_TakesBackWhatAPoisonEventWrote(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 6)
	schema := newSchema(t, pool)
	s := eventstore.New(open(t, pool, &postgres.Options{Schema: schema}), nil)
	table := totalsTable(t, pool, schema)
	if _, ok := postgres.TxFrom(t.Context()); ok {
		t.Error("a transaction without a projection")
	}
	p := totals(table)
	p.Retries = 1000
	var failures atomic.Int64
	apply := p.Apply
	p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		if err := apply(ctx, v, e); err != nil {
			return err
		}
		tx, _ := postgres.TxFrom(ctx)
		if tx.Commit(ctx) == nil || tx.Rollback(ctx) == nil {
			t.Error("Apply may end the transaction")
		}
		part, err := tx.Begin(ctx) // which may be taken back alone
		if err != nil {
			return err
		}
		if _, err := part.Exec(ctx, "insert into "+table+" values ('nothing', 1)"); err != nil {
			return err
		}
		if err := part.Rollback(ctx); err != nil {
			return err
		}
		if e.Version%5 == 3 && rand.IntN(2) == 0 {
			failures.Add(1)
			_, err := tx.Exec(ctx, "insert into nowhere values (1)")
			return err // the server has given up on the transaction too
		}
		return nil
	}
	projector, stop := projecting(t, s, p)
	for i := range 3 {
		if _, err := s.Append(t.Context(), fmt.Sprint("s", i), eventstore.Any, eventsOf(fmt.Sprint(i), 30)...); err != nil {
			t.Fatal(err)
		}
	}
	caughtUp(t, s, projector)
	stop()
	totalsFit(t, s, pool, table)
	if failures.Load() == 0 {
		t.Error("nothing failed")
	}
	if status, err := projector.Status(t.Context()); err != nil || status.Token != 1 || status.Applied != 90 {
		t.Errorf("status: %+v, %v", status, err)
	}
}

// TestProjection_NeedsOneConnection reads within the transaction on a pool that
// has no other connection, apart from the one that listens.
func TestProjection_NeedsOneConnection(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	schema := newSchema(t, pool)
	mustExec(t, pool, "create schema "+pgx.Identifier{schema}.Sanitize())
	table := totalsTable(t, pool, schema)
	small := newPool(t, testURL(), t.Name(), 1)
	s := eventstore.New(open(t, small, &postgres.Options{Schema: schema, Poll: 20 * time.Millisecond}), nil)
	p := totals(table)
	apply := p.Apply
	p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		n := int64(0)
		for _, err := range s.ReadStream(ctx, e.Stream, 0, eventstore.Forward) {
			if n++; err != nil {
				return err
			}
		}
		if n < e.Version {
			return fmt.Errorf("version %d of %d", n, e.Version)
		}
		err := s.View(ctx, "totals", func(context.Context, *eventstore.View) error { return nil })
		if err != nil && !errors.Is(err, eventstore.ErrNoView) {
			return err
		}
		return apply(ctx, v, e)
	}
	projector, _ := projecting(t, s, p)
	if _, err := s.Append(t.Context(), "a", eventstore.Any, eventsOf("e", 30)...); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, s, projector)
	totalsFit(t, s, pool, table)
}

func TestProjection_BlamesAnEventWhoseSQLTakesAllTheTime(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 6)
	schema := newSchema(t, pool)
	s := eventstore.New(open(t, pool, &postgres.Options{Schema: schema}), nil)
	table := totalsTable(t, pool, schema)
	p := totals(table)
	p.Retries, p.OnPoison = -1, eventstore.Park
	apply := p.Apply
	p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		if e.ID == "slow-0" {
			tx, _ := postgres.TxFrom(ctx)
			_, err := tx.Exec(ctx, "select pg_sleep(3600)")
			return err
		}
		return apply(ctx, v, e)
	}
	projector, _ := projecting(t, s, p)
	for _, name := range []string{"slow", "fast"} {
		if _, err := s.Append(t.Context(), name, eventstore.Any, eventsOf(name, 1)...); err != nil {
			t.Fatal(err)
		}
	}
	caughtUp(t, s, projector)
	parked, err := projector.Parked(t.Context())
	if err != nil || len(parked) != 1 || parked[0].EventID != "slow-0" {
		t.Errorf("parked: %+v, %v", parked, err)
	}
}
