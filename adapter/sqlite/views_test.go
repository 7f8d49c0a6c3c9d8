package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

// totals keeps the sum of the sizes of all events in a table of its own, beside
// the number of events in the view. Both are written by the same transactions.
var totals = eventstore.Projection{
	Name: "totals", Lease: 200 * time.Millisecond, Backoff: time.Millisecond, BatchEvents: 20,
	Apply: func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		tx, ok := sqlite.TxFrom(ctx)
		if !ok {
			return errors.New("no transaction")
		}
		const q = "INSERT INTO totals (stream, n, size) VALUES (?, 1, ?)" +
			" ON CONFLICT (stream) DO UPDATE SET n = n + 1, size = size + excluded.size"
		if _, err := tx.ExecContext(ctx, q, e.Stream, len(e.Data)); err != nil {
			return err
		}
		n := 0
		if _, err := v.Get(ctx, e.Stream, &n); err != nil {
			return err
		}
		return v.Set(e.Stream, n+1)
	},
}

const totalsTable = "CREATE TABLE IF NOT EXISTS totals (stream TEXT PRIMARY KEY, n INTEGER, size INTEGER)"

// projecting runs totals until stop.
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
	head, err := s.Head(t.Context())
	if err == nil {
		err = p.Wait(t.Context(), head)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// totalsFit compares the table, the view and the events.
func totalsFit(t *testing.T, s *eventstore.Store, path string) {
	t.Helper()
	type total struct{ n, size int }
	want, table, view := map[string]total{}, map[string]total{}, map[string]int{}
	for e, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		w := want[e.Stream]
		want[e.Stream] = total{w.n + 1, w.size + len(e.Data)}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT stream, n, size FROM totals")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var stream string
		var got total
		if err := rows.Scan(&stream, &got.n, &got.size); err != nil {
			t.Fatal(err)
		}
		table[stream] = got
	}
	err = s.View(t.Context(), "totals", func(ctx context.Context, v *eventstore.View) error {
		for stream, w := range want {
			n := 0
			if _, err := v.Get(ctx, stream, &n); err != nil || n != w.n {
				t.Errorf("stream %s has %d events, %d in the view, %v", stream, w.n, n, err)
			}
		}
		return nil
	})
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(table) != fmt.Sprint(want) {
		t.Errorf("the table has %v, the events say %v; view %v", table, want, view)
	}
}

func TestProjection_AppliesEachEventOnceWhenKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.db")
	b := open(t, path)
	closeAll(t, b)
	execute(t, path, totalsTable)
	rounds := uint64(max(*kills/2, 1))
	for n := range rounds {
		killed(t, path, fmt.Sprint(projectingChild, n))
	}
	b = open(t, path)
	t.Cleanup(func() { closeAll(t, b) })
	s := eventstore.New(b, nil)
	projector, stop := projecting(t, s, totals)
	caughtUp(t, s, projector)
	totalsFit(t, s, path)
	status, err := projector.Status(t.Context())
	if err != nil || status.Token <= rounds {
		t.Errorf("after %d kills: %+v, %v", rounds, status, err)
	}
	stop()
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTxFrom_TakesBackWhatAPoisonEventWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.db")
	b := open(t, path)
	t.Cleanup(func() { closeAll(t, b) })
	execute(t, path, totalsTable)
	s := eventstore.New(b, nil)
	if _, ok := sqlite.TxFrom(t.Context()); ok {
		t.Error("a transaction without a projection")
	}
	var mu sync.Mutex
	failures := 0
	var kept *sqlite.Tx
	p := totals
	p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		err := totals.Apply(ctx, v, e)
		mu.Lock()
		defer mu.Unlock()
		if kept, _ = sqlite.TxFrom(ctx); err == nil && e.Version%7 == 3 && rand.IntN(2) == 0 {
			failures++
			if _, err := kept.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)"); err == nil {
				t.Error("SQL that cannot be")
			}
			var n int
			if err := kept.QueryRowContext(ctx, "SELECT n FROM totals WHERE stream = ?", e.Stream).Scan(&n); err != nil {
				t.Error(err)
			}
			return fmt.Errorf("poison %d", n)
		}
		return err
	}
	p.Retries = 1000
	projector, stop := projecting(t, s, p)
	var wg sync.WaitGroup
	for w := range 4 { // appends share transactions with the projection, and must not be taken back with it
		wg.Go(func() {
			for i := range 50 {
				stream := fmt.Sprint("s", (w+i)%3)
				if _, err := s.Append(t.Context(), stream, eventstore.Any, eventstore.Event{Type: "t", Data: make([]byte, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	caughtUp(t, s, projector)
	stop()
	totalsFit(t, s, path)
	if failures == 0 {
		t.Error("nothing failed")
	}
	if _, err := kept.ExecContext(t.Context(), "DELETE FROM totals"); !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("a statement after the transaction: %v", err)
	}
	if err := kept.QueryRowContext(t.Context(), "SELECT 1").Scan(new(int)); err == nil {
		t.Error("a query after the transaction")
	}
	if n, err := s.Head(t.Context()); err != nil || n != eventstore.MakePosition(0, 200) {
		t.Errorf("head %v, %v", n, err)
	}
}

func TestOpen_GivesAnOlderFileWhatItLacks(t *testing.T) {
	_, closed, events := written(t)
	path := filepath.Join(t.TempDir(), "events.db")
	files{"": altered(t, closed, "DROP TABLE views; PRAGMA user_version = 1")}.write(t, path)
	b := open(t, path)
	t.Cleanup(func() { closeAll(t, b) })
	if got := read(t, b); !reflect.DeepEqual(got, events) {
		t.Errorf("%d events of %d", len(got), len(events))
	}
	execute(t, path, totalsTable)
	s := eventstore.New(b, nil)
	projector, _ := projecting(t, s, totals)
	caughtUp(t, s, projector)
	totalsFit(t, s, path)
	again := open(t, path)
	closeAll(t, again)
}

func TestView_APanicOfAReaderGivesItsConnectionBack(t *testing.T) {
	b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "events.db"), &sqlite.Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, b)
	read := func(f func()) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return b.ReadViews(ctx, func(context.Context, eventstore.ViewTx) error { f(); return nil })
	}
	func() {
		defer func() { _ = recover() }()
		_ = read(func() { panic("a reader") })
	}()
	if err := read(func() {}); err != nil {
		t.Error(err)
	}
}

// An error of SQLite may come from a database of Apply's own.
func TestProjection_ADatabaseElsewhereThatIsFullIsThePoisonOfAnEvent(t *testing.T) {
	other, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "other.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	for _, q := range []string{"CREATE TABLE notes (text TEXT)", "PRAGMA max_page_count = 2"} {
		if _, err := other.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, filepath.Join(t.TempDir(), "events.db"))
	defer closeAll(t, b)
	s := eventstore.New(b, nil)
	p := eventstore.Projection{
		Name: "notes", Retries: -1, OnPoison: eventstore.Park,
		Apply: func(ctx context.Context, _ *eventstore.View, e eventstore.Event) error {
			_, err := other.ExecContext(ctx, "INSERT INTO notes VALUES (?)", string(e.Data))
			return err
		},
	}
	if _, err := s.Append(t.Context(), "a", eventstore.Any, one("large", 100_000)); err != nil {
		t.Fatal(err)
	}
	projector, stop := projecting(t, s, p)
	defer stop()
	caughtUp(t, s, projector)
	if parked, err := projector.Parked(t.Context()); err != nil || len(parked) != 1 || parked[0].EventID != "large" {
		t.Errorf("%+v, %v", parked, err)
	}
}

func TestUpdateViews_StoresNothingWithoutSpaceWhateverItsFunctionSays(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "events.db"))
	defer closeAll(t, b)
	put := func(size int) error {
		return b.UpdateViews(t.Context(), nil, func(ctx context.Context, tx eventstore.ViewTx) error {
			_ = tx.Put(ctx, "space", []eventstore.ViewEntry{{Key: "small", Value: []byte("1")}})
			_ = tx.Put(ctx, "space", []eventstore.ViewEntry{{Key: "large", Value: make([]byte, size)}})
			return nil
		})
	}
	if err := b.SetMaxPages(40); err != nil {
		t.Fatal(err)
	}
	if err := put(1 << 20); !errors.Is(err, eventstore.ErrNoSpace) {
		t.Errorf("without space: %v", err)
	}
	err := b.ReadViews(t.Context(), func(ctx context.Context, tx eventstore.ViewTx) error {
		if _, found, err := tx.Get(ctx, "space", "small"); found || err != nil {
			t.Errorf("a part is stored, %v", err)
		}
		return nil
	})
	if err := errors.Join(err, b.SetMaxPages(1000), put(1<<20)); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
