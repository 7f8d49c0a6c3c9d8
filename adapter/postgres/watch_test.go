package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

// subscribe passes on the events of a subscription to everything.
func subscribe(t *testing.T, b *postgres.Backend) chan eventstore.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	got := make(chan eventstore.Event, 1)
	go func() {
		for e, err := range eventstore.New(b, nil).Subscribe(ctx, eventstore.Position{}, eventstore.Filter{}) {
			if err != nil {
				if t.Context().Err() == nil && !errors.Is(err, eventstore.ErrClosed) {
					t.Errorf("subscription: %v", err)
				}
				close(got)
				return
			}
			select {
			case got <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return got
}

// listening counts the connections of an application that listen.
const listening = `select count(*) from pg_stat_activity where application_name = $1 and query like 'listen %'`

func TestWait_IsWokenByAnotherReplica(t *testing.T) {
	name := t.Name()
	pool, others := newPool(t, testURL(), name, 4), newPool(t, testURL(), name+" other", 4)
	schema := newSchema(t, others)
	b := open(t, pool, &postgres.Options{Schema: schema, Poll: time.Hour})
	other := eventstore.New(open(t, others, &postgres.Options{Schema: schema, Poll: time.Hour}), nil)
	got := subscribe(t, b)
	listens := func() bool {
		var n int
		return others.QueryRow(t.Context(), listening, name).Scan(&n) == nil && n == 1
	}
	eventually(t, "one connection listens", listens)
	mustExec(t, others, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and query like 'listen %'`, name)
	eventually(t, "the listener is cut", func() bool { return !listens() })
	eventually(t, "one connection listens again", listens)

	if _, err := other.Append(t.Context(), "a", eventstore.Any, eventsOf("e", 1)...); err != nil {
		t.Fatal(err)
	}
	if e := <-got; e.ID != "e-0" {
		t.Errorf("got %+v", e)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing listens after Close", func() bool {
		var n int
		return others.QueryRow(t.Context(), listening, name).Scan(&n) == nil && n == 0
	})
}

func TestWait_FindsByPollingWhatNobodyTold(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	schema := newSchema(t, pool)
	b := open(t, pool, &postgres.Options{Schema: schema, Poll: 20 * time.Millisecond})
	got := subscribe(t, b)
	eventually(t, "one connection listens", func() bool {
		var n int
		return pool.QueryRow(t.Context(), listening, t.Name()).Scan(&n) == nil && n == 1
	})
	// The first one may meet a look for another reason, the second one cannot.
	for i, id := range []string{"untold", "untold too"} {
		mustExec(t, pool, "insert into "+pgx.Identifier{schema, "events"}.Sanitize()+
			` (tx, ord, stream, version, id, type, schema_version, happened)
			values (pg_current_xact_id()::text::bigint, 1, 'a', $1, $2, 't', 1, now())`, i+1, id)
		if e := <-got; e.ID != id {
			t.Errorf("got %+v", e)
		}
	}
}

func TestClose_EndsWhatTriesAgainAndTellsOthersOfTheLastAppend(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 6)
	schema := newSchema(t, pool)
	listener := open(t, pool, &postgres.Options{Schema: schema, Poll: time.Hour})
	got := subscribe(t, listener)
	eventually(t, "one connection listens", func() bool {
		var n int
		return pool.QueryRow(t.Context(), listening, t.Name()).Scan(&n) == nil && n == 1
	})
	brief, err := postgres.Open(t.Context(), pool, &postgres.Options{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eventstore.New(brief, nil).Append(t.Context(), "a", eventstore.Any, eventsOf("e", 1)...); err != nil {
		t.Fatal(err)
	}
	if err := brief.Close(); err != nil {
		t.Fatal(err)
	}
	<-got

	r, b, _, _ := throughRoad(t, postgres.Options{Patience: patience})
	r.set(true)
	ended := make(chan error, 1)
	go func() { _, err := b.Head(t.Context()); ended <- err }()
	eventually(t, "the road is tried", func() bool { return r.tried() > 0 })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("a read that was tried again: %v", err)
	}
}
