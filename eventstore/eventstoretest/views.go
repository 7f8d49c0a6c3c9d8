package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

// openViews returns a store whose backend keeps views, or skips the test.
func (c Config) openViews(t *testing.T) (*eventstore.Store, eventstore.Views) {
	t.Helper()
	s := c.open(t)
	v, ok := s.Backend().(eventstore.Views)
	if !ok {
		t.Skip("the backend keeps no views")
	}
	return s, v
}

func update(t *testing.T, v eventstore.Views, f func(ctx context.Context, tx eventstore.ViewTx) error) {
	t.Helper()
	if err := v.UpdateViews(t.Context(), []string{"lock"}, f); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, v eventstore.Views, space string, entries ...eventstore.ViewEntry) {
	t.Helper()
	update(t, v, func(ctx context.Context, tx eventstore.ViewTx) error { return tx.Put(ctx, space, entries) })
}

// scan returns what a reader finds, as "key=value" texts.
func scan(t *testing.T, v eventstore.Views, space, prefix, after string, limit int) []string {
	t.Helper()
	var found []eventstore.ViewEntry
	err := v.ReadViews(t.Context(), func(ctx context.Context, tx eventstore.ViewTx) (err error) {
		found, err = tx.Scan(ctx, space, prefix, after, limit)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts(found)
}

func texts(entries []eventstore.ViewEntry) []string {
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Key+"="+string(e.Value))
	}
	return out
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func entry(key, value string) eventstore.ViewEntry {
	e := eventstore.ViewEntry{Key: key}
	if value != "" {
		e.Value = []byte(value)
	}
	return e
}

func testViews(t *testing.T, c Config) {
	s, v := c.openViews(t)
	put(t, v, "x/1/view", entry("b", `{"n":1}`), entry("a", `[1, 2]`), entry("ä", `"ä\u0000"`), entry("b%_", "1.0"), entry("b\U0010FFFF", "0"))
	put(t, v, "x/10/view", entry("a", "9"))
	expect(t, "all", scan(t, v, "x/1/view", "", "", 9), []string{`a=[1, 2]`, `b={"n":1}`, "b%_=1.0", "b\U0010FFFF=0", `ä="ä\u0000"`})
	expect(t, "a prefix", scan(t, v, "x/1/view", "b", "", 9), []string{`b={"n":1}`, "b%_=1.0", "b\U0010FFFF=0"})
	expect(t, "a page", scan(t, v, "x/1/view", "b", "b", 1), []string{"b%_=1.0"})
	expect(t, "the last prefix", scan(t, v, "x/1/view", "b\U0010FFFF", "", 9), []string{"b\U0010FFFF=0"})
	expect(t, "no space", scan(t, v, "x/2/view", "", "", 9), []string{})
	put(t, v, "x/1/view", entry("b", ""), entry("a", "7"), entry("none", ""))
	expect(t, "after a deletion", scan(t, v, "x/1/view", "", "", 2), []string{"a=7", "b%_=1.0"})

	var many []eventstore.ViewEntry
	for i := range 200 {
		many = append(many, entry(fmt.Sprintf("k%03d", i), fmt.Sprint(i)))
	}
	put(t, v, "many", many...)
	expect(t, "many", scan(t, v, "many", "", "", 1000), texts(many))

	testViewsTransaction(t, s, v)
}

func testViewsTransaction(t *testing.T, s *eventstore.Store, v eventstore.Views) {
	t.Helper()
	event := mustAppend(t, s, "a", eventstore.Any, ev("a"))
	own := errors.New("own")
	err := v.UpdateViews(t.Context(), []string{"lock"}, func(ctx context.Context, tx eventstore.ViewTx) error {
		if err := tx.Put(ctx, "t", []eventstore.ViewEntry{entry("k", "1"), entry("l", "2")}); err != nil {
			t.Error(err)
		}
		if value, ok, err := tx.Get(ctx, "t", "k"); string(value) != "1" || !ok || err != nil {
			t.Errorf("own change: %q, %v, %v", value, ok, err)
		}
		if err := tx.Put(ctx, "t", []eventstore.ViewEntry{entry("k", ""), entry("m", "3")}); err != nil {
			t.Error(err)
		}
		if value, ok, err := tx.Get(ctx, "t", "k"); value != nil || ok || err != nil {
			t.Errorf("own deletion: %q, %v, %v", value, ok, err)
		}
		found, err := tx.Scan(ctx, "t", "", "", 9)
		expect(t, "own changes", texts(found), []string{"l=2", "m=3"})
		if err != nil {
			t.Error(err)
		}
		same(t, "the store within a transaction", collect(t, s.ReadAll(ctx, eventstore.Position{}, eventstore.Filter{})), event)
		var invalid *eventstore.InvalidError
		if _, err := s.Append(ctx, "a", eventstore.Any, ev("b")); !errors.As(err, &invalid) {
			t.Errorf("an append within a transaction: %v", err)
		}
		if err := v.UpdateViews(ctx, nil, func(context.Context, eventstore.ViewTx) error { return nil }); !errors.As(err, &invalid) {
			t.Errorf("a transaction within another: %v", err)
		}
		return own
	})
	if err != own { //nolint:errorlint // it comes back as it is
		t.Errorf("the error of a transaction: %v", err)
	}
	expect(t, "after an error", scan(t, v, "t", "", "", 9), []string{})

	err = v.ReadViews(t.Context(), func(ctx context.Context, tx eventstore.ViewTx) error {
		if tx.Put(ctx, "t", []eventstore.ViewEntry{entry("k", "1")}) == nil {
			t.Error("a reader may write")
		}
		same(t, "the store within a read", collect(t, s.ReadAll(ctx, eventstore.Position{}, eventstore.Filter{})), event)
		return v.ReadViews(ctx, func(context.Context, eventstore.ViewTx) error { return own })
	})
	if err != own { //nolint:errorlint // it comes back as it is
		t.Errorf("the error of a read: %v", err)
	}
	expect(t, "after a read", scan(t, v, "t", "", "", 9), []string{})
}

// testViewsExclude has transactions with a lock in common count up together.
func testViewsExclude(t *testing.T, c Config) {
	s, v := c.openViews(t)
	all := []eventstore.Views{v}
	if c.Another != nil {
		b := c.Another(t, s.Backend())
		t.Cleanup(func() { closeBackend(t, b) })
		if other, ok := b.(eventstore.Views); ok {
			all = append(all, other)
		}
	}
	const each = 25
	var wg sync.WaitGroup
	for i, locks := range [][]string{{"a"}, {"b", "a"}, {"a", "c", "a"}, {"c", "a"}} {
		wg.Go(func() {
			for range each {
				if err := all[i%len(all)].UpdateViews(t.Context(), locks, countUp); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	expect(t, "count", scan(t, v, "s", "", "", 1), []string{fmt.Sprint("n=", 4*each)})
}

func countUp(ctx context.Context, tx eventstore.ViewTx) error {
	n := 0
	value, ok, err := tx.Get(ctx, "s", "n")
	if err != nil {
		return err
	}
	if ok {
		if err := (eventstore.ViewEntry{Key: "n", Value: value}).Decode(&n); err != nil {
			return err
		}
	}
	return tx.Put(ctx, "s", []eventstore.ViewEntry{entry("n", fmt.Sprint(n+1))})
}

func testViewsEnd(t *testing.T, c Config) {
	s, v := c.openViews(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(context.Context, eventstore.ViewTx) error {
		t.Error("it runs")
		return nil
	}
	if err := v.UpdateViews(ctx, nil, never); !errors.Is(err, context.Canceled) {
		t.Errorf("update with an ended context: %v", err)
	}
	if err := v.ReadViews(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("read with an ended context: %v", err)
	}

	// Close waits for what runs, which may go on to read.
	in, out, closed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- v.ReadViews(t.Context(), func(ctx context.Context, tx eventstore.ViewTx) error {
			close(in)
			<-out
			_, _, err := tx.Get(ctx, "s", "k")
			_, _ = s.Head(ctx) // refused or not, it does not hang
			return err
		})
	}()
	<-in
	go func() { closed <- s.Backend().Close() }()
	close(out)
	if err := errors.Join(<-ended, <-closed); err != nil {
		t.Error(err)
	}
	if err := v.UpdateViews(t.Context(), nil, never); !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("update of a closed backend: %v", err)
	}
	if err := v.ReadViews(t.Context(), never); !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("read of a closed backend: %v", err)
	}
}
