package eventstoretest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

func testClose(t *testing.T, c Config) {
	s := c.open(t)
	mustAppend(t, s, "a", eventstore.Any, ev("a"))
	waiting := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		for _, err := range s.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
			if err != nil {
				ended <- err
				return
			}
			close(waiting)
		}
	}()
	<-waiting
	for range 2 {
		closeBackend(t, s.Backend())
	}
	select {
	case err := <-ended:
		if !errors.Is(err, eventstore.ErrClosed) {
			t.Errorf("the end of a subscription: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a subscription goes on after Close")
	}
	if _, err := s.Append(t.Context(), "a", eventstore.Any, ev("b")); !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("append: %v", err)
	}
	if _, err := s.Head(t.Context()); !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("head: %v", err)
	}
	for _, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if !errors.Is(err, eventstore.ErrClosed) {
			t.Errorf("read: %v", err)
		}
	}
	for _, err := range s.ReadStream(t.Context(), "a", 0, eventstore.Forward) {
		if !errors.Is(err, eventstore.ErrClosed) {
			t.Errorf("read of a stream: %v", err)
		}
	}
}

func testReopen(t *testing.T, c Config) {
	if c.Reopen == nil {
		t.Skip("the backend keeps nothing beyond Close")
	}
	b := c.Open(t)
	s := eventstore.New(b, nil)
	mustAppend(t, s, "deleted", eventstore.Any, evs("d", 2)...)
	mustAppend(t, s, "ended", eventstore.Any, evs("e", 2)...)
	if err := errors.Join(s.Delete(t.Context(), "deleted", 2), s.Tombstone(t.Context(), "ended", 2)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		live := mustAppend(t, s, "live", eventstore.Any, evs(fmt.Sprint("l", i), 3)...)
		log := all(t, s)
		closeBackend(t, b)
		b = c.Reopen(t, b)
		s = eventstore.New(b, nil)

		same(t, "all", all(t, s), log)
		same(t, "retry", mustAppend(t, s, "live", eventstore.Any, evs(fmt.Sprint("l", i), 3)...), live)
		if got := streamOf(t, s, "deleted"); len(got) != 0 {
			t.Errorf("the deleted stream has %v", ids(got))
		}
		if _, err := s.Append(t.Context(), "ended", eventstore.Any, ev("x")); !errors.Is(err, eventstore.ErrTombstoned) {
			t.Errorf("append to the tombstoned stream: %v", err)
		}
	}
	closeBackend(t, b)
}

func testAnother(t *testing.T, c Config) {
	if c.Another == nil {
		t.Skip("the backend cannot be shared")
	}
	s := c.open(t)
	b := c.Another(t, s.Backend())
	t.Cleanup(func() { closeBackend(t, b) })
	other := eventstore.New(b, nil)

	mine := mustAppend(t, s, "a", eventstore.NoStream, ev("mine"))
	same(t, "read by the other", all(t, other), mine)
	var conflict *eventstore.ConflictError
	if _, err := other.Append(t.Context(), "a", eventstore.NoStream, ev("x")); !errors.As(err, &conflict) {
		t.Errorf("append by the other: %v", err)
	}
	same(t, "retry by the other", mustAppend(t, other, "a", eventstore.NoStream, ev("mine")), mine)
	t.Run("Load", func(t *testing.T) {
		s := c.open(t)
		b := c.Another(t, s.Backend())
		t.Cleanup(func() { closeBackend(t, b) })
		testLoad(t, s, eventstore.New(b, nil))
	})
}
