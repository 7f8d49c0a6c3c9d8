package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

// A deaf backend does not answer what is asked in its transactions, for a while.
type deaf struct {
	*eventstore.Memory
	deaf atomic.Bool
}

func (b *deaf) UpdateViews(ctx context.Context, locks []string, f func(context.Context, eventstore.ViewTx) error) error {
	return b.Memory.UpdateViews(ctx, locks, func(ctx context.Context, tx eventstore.ViewTx) error {
		return f(ctx, deafTx{tx, b})
	})
}

type deafTx struct {
	eventstore.ViewTx
	b *deaf
}

func (tx deafTx) Get(ctx context.Context, space, key string) ([]byte, bool, error) {
	if tx.b.deaf.Load() && key == "a" {
		return nil, false, errSick
	}
	return tx.ViewTx.Get(ctx, space, key)
}

func TestProjector_StoresNothingOfWhatTheBackendDidNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &deaf{Memory: eventstore.NewMemory()}
		s := eventstore.New(b, nil)
		p := counted("")
		p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
			n := 0
			_, _ = v.Get(ctx, e.Stream, &n) // as if there were none
			return v.Set(e.Stream, n+1)
		}
		projector, stop := start(t, s, p)
		defer stop()
		happen(t, s, 3)
		synctest.Wait()
		b.deaf.Store(true)
		happen(t, s, 1)
		pass(time.Minute)
		if got := statusOf(t, projector); got.Waiting != 1 || got.Failing != nil || got.Halted {
			t.Errorf("while it does not answer: %+v", got)
		}
		b.deaf.Store(false)
		pass(6 * time.Second)
		if n := count(t, s); n != 4 {
			t.Errorf("%d events in the view of 4", n)
		}
	})
}

// A vault is a key ring that is locked for a while.
type vault struct {
	*keyRing
	locked atomic.Bool
}

func (v *vault) Key(ctx context.Context, subject string, create bool) ([]byte, error) {
	if v.locked.Load() {
		return nil, errSick
	}
	return v.keyRing.Key(ctx, subject, create)
}

func TestProjector_WaitsForAKeyThatCannotBeHadNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := &vault{keyRing: &keyRing{keys: map[string][]byte{}}}
		s := eventstore.New(eventstore.NewMemory(), &eventstore.Options{Keys: keys})
		about := func(subject string) {
			t.Helper()
			e := eventstore.Event{Type: "t", Data: []byte("1"), Metadata: eventstore.Metadata{Subject: subject}}
			if _, err := s.Append(t.Context(), "a", eventstore.Any, e); err != nil {
				t.Fatal(err)
			}
		}
		about("joe")
		about("ann")
		keys.destroy("joe") // is another thing: the projection does not wait
		keys.locked.Store(true)
		projector, stop := start(t, s, counted(""))
		defer stop()
		pass(time.Minute)
		if got := statusOf(t, projector); got.Waiting != 2 || got.Failing != nil || got.Halted {
			t.Errorf("while there is no key: %+v", got)
		}
		if err := projector.Check(t.Context()); !errors.Is(err, errSick) {
			t.Errorf("check: %v", err)
		}
		keys.locked.Store(false)
		pass(6 * time.Second)
		if n := count(t, s); n != 2 || projector.Check(t.Context()) != nil {
			t.Errorf("%d events in the view of 2", n)
		}
	})
}

func TestProjector_CheckTellsOfOneThatEnded(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	projector, stop := start(t, s, counted(""))
	happen(t, s, 1)
	head, err := s.Head(t.Context())
	if err == nil {
		err = projector.Wait(t.Context(), head)
	}
	stop()
	if err != nil {
		t.Fatal(err)
	}
	restored := eventstore.New(&older{Views: s.Backend().(eventstore.Views), Backend: eventstore.NewMemory()}, nil)
	projector, err = eventstore.NewProjector(restored, counted(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := projector.Run(t.Context()); !errors.Is(err, eventstore.ErrAhead) {
		t.Errorf("run: %v", err)
	}
	if err := projector.Check(t.Context()); !errors.Is(err, eventstore.ErrAhead) {
		t.Errorf("check: %v", err)
	}

	p := counted("")
	p.Version = 2
	removed, err := eventstore.NewProjector(s, p)
	if err == nil {
		err = removed.Remove(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := removed.Check(t.Context()); !errors.Is(err, eventstore.ErrRemoved) {
		t.Errorf("check of a removed version: %v", err)
	}
	if err := removed.Wait(t.Context(), head); !errors.Is(err, eventstore.ErrRemoved) {
		t.Errorf("wait for a removed version: %v", err)
	}
}

// An older backend has the views of today and not all of the events.
type older struct {
	eventstore.Views
	eventstore.Backend
}

func TestView_RefusesRawValuesThatAreNoText(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	p := counted("")
	p.Apply = func(_ context.Context, v *eventstore.View, _ eventstore.Event) error {
		var invalid *eventstore.InvalidError
		if err := v.Set("k", json.RawMessage("\"\xff\"")); !errors.As(err, &invalid) {
			t.Errorf("a value that is no text: %v", err)
		}
		return v.Set("k", json.RawMessage(`"ÿ"`))
	}
	projector, stop := start(t, s, p)
	defer stop()
	happen(t, s, 1)
	head, err := s.Head(t.Context())
	if err == nil {
		err = projector.Wait(t.Context(), head)
	}
	if err != nil {
		t.Error(err)
	}
}
