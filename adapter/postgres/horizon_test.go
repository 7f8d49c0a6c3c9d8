package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

// atCommit has every commit of events run a statement first.
func atCommit(t *testing.T, pool *pgxpool.Pool, schema, statement string) {
	t.Helper()
	in := pgx.Identifier{schema}.Sanitize()
	for _, sql := range []string{
		`create function ` + in + `.at_commit() returns trigger language plpgsql as $$ begin ` + statement + `; return null; end $$`,
		`create constraint trigger at_commit after insert on ` + in + `.events
			deferrable initially deferred for each row execute function ` + in + `.at_commit()`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// someoneElse keeps a transaction with a number open until the returned function
// is called.
func someoneElse(t *testing.T, pool *pgxpool.Pool) func() {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select pg_current_xact_id()`); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
}

// A naiveReader reads behind the last position it saw, as if there were no horizon.
type naiveReader struct {
	pool    *pgxpool.Pool
	sql     string
	tx, ord int64
	seen    map[string]bool
}

// readNaively reads until the returned function is called, which returns what was seen.
func readNaively(t *testing.T, pool *pgxpool.Pool, schema string) func() map[string]bool {
	t.Helper()
	r := naiveReader{pool: pool, seen: map[string]bool{}, sql: `select tx, ord, id from ` +
		pgx.Identifier{schema, "events"}.Sanitize() + ` where (tx, ord) > ($1, $2) order by tx, ord`}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := r.read(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	stop := func() map[string]bool { cancel(); wg.Wait(); return r.seen }
	t.Cleanup(func() { stop() })
	return stop
}

func (r *naiveReader) read(ctx context.Context) error {
	rows, err := r.pool.Query(ctx, r.sql, r.tx, r.ord)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&r.tx, &r.ord, &id); err != nil {
			return err
		}
		r.seen[id] = true
	}
	return rows.Err()
}

func TestSubscribe_LosesNothingWhereCommitsAreDelayed(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), writers+6)
	schema := newSchema(t, pool)
	b := open(t, pool, &postgres.Options{Schema: schema, Poll: 100 * time.Millisecond})
	atCommit(t, pool, schema, `perform pg_sleep(random() * 0.01)`)
	defer someoneElse(t, pool)()

	naive := readNaively(t, pool, schema)
	store := eventstore.New(b, nil)
	f := follow(t, store)
	l := startLoad(t, store)
	l.until(1500)
	acked := l.end()
	f.sawAll(acked)

	// Else the commits were not mixed up, and the test shows nothing.
	missed := 0
	seen := naive()
	for _, e := range acked {
		if !seen[e.ID] {
			missed++
		}
	}
	t.Logf("of %d events a reader without a horizon missed %d", len(acked), missed)
	if missed == 0 {
		t.Error("a reader without a horizon missed nothing")
	}
}

func TestSubscribe_LosesNothingAtFullSpeed(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), writers+6)
	store := eventstore.New(open(t, pool, &postgres.Options{Schema: newSchema(t, pool)}), nil)
	followers := []*follower{follow(t, store), follow(t, store)}
	l := startLoad(t, store)
	l.until(3000)
	acked := l.end()
	for _, f := range followers {
		f.sawAll(acked)
	}
}

func TestReadAll_HoldsBackWhatAnOpenAppendMayPrecede(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 8)
	schema := newSchema(t, pool)
	b := open(t, pool, &postgres.Options{Schema: schema})
	store := eventstore.New(b, nil)
	release := holdCommits(t, pool, schema, "slow")
	if lag, err := b.Lag(t.Context()); err != nil || lag.Events != 0 || lag.Oldest != 0 || lag.OldestPID != 0 {
		t.Errorf("lag of an idle store: %+v, %v", lag, err)
	}

	slow := make(chan error, 1)
	go func() {
		_, err := store.Append(t.Context(), "slow", eventstore.Any, eventsOf("slow", 2)...)
		slow <- err
	}()
	waitHeld(t, pool, b)
	if _, err := store.Append(t.Context(), "fast", eventstore.Any, eventsOf("fast", 3)...); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, store, eventstore.Filter{}); len(got) != 0 {
		t.Errorf("events %v are seen before one that comes first", got)
	}
	lag, err := b.Lag(t.Context())
	if err != nil || lag.Events != 3 || lag.Transactions < 1 || lag.Oldest <= 0 {
		t.Errorf("lag behind an open append: %+v, %v", lag, err)
	}
	release()
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(ids(t, store, eventstore.Filter{})); got != "[slow-0 slow-1 fast-0 fast-1 fast-2]" {
		t.Error(got)
	}
}

// holdCommits lets no append to a stream commit until the returned function is called.
func holdCommits(t *testing.T, pool *pgxpool.Pool, schema, stream string) func() {
	t.Helper()
	key := time.Now().UnixNano()
	atCommit(t, pool, schema, fmt.Sprintf(
		`if new.stream = '%s' then perform pg_advisory_xact_lock_shared(%d); end if`, stream, key,
	))
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select pg_advisory_xact_lock($1)`, key); err != nil {
		t.Fatal(err)
	}
	release := sync.OnceFunc(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	t.Cleanup(release)
	return release
}

// waitHeld waits until an append is held at its commit.
func waitHeld(t *testing.T, pool *pgxpool.Pool, b *postgres.Backend) {
	t.Helper()
	eventually(t, "an append is held", func() bool {
		lag, err := b.Lag(t.Context())
		if err != nil {
			return false
		}
		var held bool
		const q = `select exists (select from pg_locks where pid = $1 and not granted)`
		return pool.QueryRow(t.Context(), q, lag.OldestPID).Scan(&held) == nil && held
	})
}

func ids(t *testing.T, store *eventstore.Store, f eventstore.Filter) []string {
	t.Helper()
	var got []string
	for e, err := range store.ReadAll(t.Context(), eventstore.Position{}, f) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ID)
	}
	return got
}

func TestReadAll_IsNotHeldBackByTransactionsOfOthers(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 6)
	b := open(t, pool, &postgres.Options{Schema: newSchema(t, pool)})
	other := open(t, pool, &postgres.Options{Schema: newSchema(t, pool)})
	store := eventstore.New(b, nil)
	defer someoneElse(t, pool)()
	for i := range 20 {
		if _, err := eventstore.New(other, nil).Append(t.Context(), "x", eventstore.Any, eventsOf(fmt.Sprint("o", i), 1)...); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), "a", eventstore.Any, eventsOf(fmt.Sprint("e", i), 1)...); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, store, eventstore.Filter{}); len(got) != i+1 {
			t.Fatalf("%d events are seen of %d", len(got), i+1)
		}
	}
}
