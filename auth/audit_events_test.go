package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// A faultyBackend fails appends, before or after they are stored.
type faultyBackend struct {
	*eventstore.Memory

	before, after atomic.Pointer[error]
	appends       atomic.Int64
	hold          chan struct{} // if not nil, appends wait for it
}

func newFaultyBackend() *faultyBackend { return &faultyBackend{Memory: eventstore.NewMemory()} }

func (b *faultyBackend) Append(ctx context.Context, a eventstore.Append) ([]eventstore.Event, error) {
	b.appends.Add(1)
	if b.hold != nil {
		select {
		case <-b.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := b.before.Load(); err != nil {
		return nil, *err
	}
	stored, err := b.Memory.Append(ctx, a)
	if failed := b.after.Load(); failed != nil {
		return nil, *failed
	}
	return stored, err
}

func trail(t *testing.T, s *eventstore.Store) (events []eventstore.Event) {
	t.Helper()
	for e, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{StreamPrefix: "audit-"}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func recordOf(t *testing.T, e eventstore.Event) *auth.AuditRecord {
	t.Helper()
	var r auth.AuditRecord
	if err := e.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return &r
}

func TestEventSink_KeepsWhoDidWhatAndWhy(t *testing.T) {
	store := eventstore.New(eventstore.NewMemory(), nil)
	call := calls(t, auth.AuditOptions{
		Sink: auth.NewEventSink(store, ""), RequestID: func(context.Context) string { return "id" },
	})
	_, _ = call("a"), call("b")
	events := trail(t, store)
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	allowed, denied := recordOf(t, events[0]), recordOf(t, events[1])
	if allowed.Denied || allowed.Outcome != "ok" || !strings.Contains(allowed.Reason(), `by role "r"`) ||
		allowed.Principal != `"https://i""ann"` || allowed.Tenant != "acme" || len(allowed.Arguments) != 64 ||
		!reflect.DeepEqual(allowed.Actions, []auth.Action{{Verb: auth.Execute, Kind: auth.Tools, Name: "a"}}) {
		t.Errorf("allowed: %s", events[0].Data)
	}
	if !denied.Denied || denied.Outcome != "not_found" || !strings.Contains(denied.Reason(), "nothing grants it") {
		t.Errorf("denied: %s", events[1].Data)
	}
	for i, r := range []*auth.AuditRecord{allowed, denied} {
		e := events[i]
		if e.Type != auth.AuditEvent || e.ID != r.ID || !e.Time.Equal(r.Time.Truncate(time.Microsecond)) || e.Version != int64(i+1) ||
			e.Stream != "audit-"+r.Time.UTC().Format("2006-01-02") ||
			e.Metadata.Correlation != "0af7651916cd43dd8448eb211c80319c" || e.Metadata.Causation != "id" {
			t.Errorf("%+v", e)
		}
	}
}

func TestEventSink_HasAStreamForEachDay(t *testing.T) {
	store := eventstore.New(eventstore.NewMemory(), nil)
	sink := auth.NewEventSink(store, "trail-")
	midnight := time.Date(2026, 11, 6, 0, 0, 0, 0, time.UTC)
	var records []*auth.AuditRecord
	for i := range 4 {
		records = append(records, &auth.AuditRecord{ID: fmt.Sprint(i), Time: midnight.Add(time.Duration(i-2) * time.Second)})
	}
	if err := sink.AuditBatch(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for _, day := range []string{"trail-2026-11-05", "trail-2026-11-06"} {
		var ids string
		for e, err := range store.ReadStream(t.Context(), day, 0, eventstore.Forward) {
			if err != nil {
				t.Fatal(err)
			}
			ids += e.ID
		}
		if want := map[string]string{"trail-2026-11-05": "01", "trail-2026-11-06": "23"}[day]; ids != want {
			t.Errorf("%s has %s", day, ids)
		}
	}
}

func TestEventSink_CommitsTogetherWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFaultyBackend()
		b.hold = make(chan struct{})
		store := eventstore.New(b, nil)
		sink := auth.NewEventSink(store, "")
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := sink.Audit(t.Context(), &auth.AuditRecord{ID: fmt.Sprint(i), Time: time.Now()}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // some are being stored, all others wait
		close(b.hold)
		wg.Wait()
		if n := b.appends.Load(); n > 2 || len(trail(t, store)) != 100 {
			t.Errorf("%d appends, %d events", n, len(trail(t, store)))
		}
	})
}

func TestEventSink_KeepsOnceWhatIsGivenAgain(t *testing.T) {
	b := newFaultyBackend()
	store := eventstore.New(b, nil)
	call := calls(t, auth.AuditOptions{Sink: auth.NewEventSink(store, ""), FailClosed: true})
	lost := errors.New("the answer was lost")
	b.after.Store(&lost)
	if err := call("a1"); mcperrors.CodeOf(err) != mcperrors.Unavailable {
		t.Fatal(err)
	}
	if err := call("a2"); mcperrors.CodeOf(err) != mcperrors.Unavailable { // does not run
		t.Fatal(err)
	}
	b.after.Store(nil)
	if err := call("a3"); err != nil {
		t.Fatal(err)
	}
	var names string
	for _, e := range trail(t, store) {
		names += recordOf(t, e).Actions[0].Name + " "
	}
	if names != "a1 a3 " {
		t.Errorf("kept %s", names)
	}
}

func TestEventSink_OneRecordThatCannotBeStoredFailsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFaultyBackend()
		b.hold = make(chan struct{})
		store := eventstore.New(b, nil)
		sink := auth.NewEventSink(store, "")
		var wg sync.WaitGroup
		failed := make([]error, 10)
		for i := range failed {
			wg.Go(func() {
				id := fmt.Sprint(i)
				if i == 7 {
					id = strings.Repeat("x", 1000) // more than a name may have
				}
				failed[i] = sink.Audit(t.Context(), &auth.AuditRecord{ID: id, Time: time.Now()})
			})
			synctest.Wait()
		}
		close(b.hold)
		wg.Wait()
		for i, err := range failed {
			if (err != nil) != (i == 7) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if n := len(trail(t, store)); n != 9 {
			t.Errorf("%d events", n)
		}
	})
}

func TestEventSink_ACallerThatLeavesIsTakenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFaultyBackend()
		b.hold = make(chan struct{})
		store := eventstore.New(b, nil)
		sink := auth.NewEventSink(store, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				err := sink.Audit(ctx, &auth.AuditRecord{ID: fmt.Sprint(i), Time: time.Now()})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		close(b.hold)
		synctest.Wait()
		if n := len(trail(t, store)); n != 1 { // that which was being stored
			t.Errorf("%d events", n)
		}
	})
}

func TestEventSink_NamesOfTheCallerAreBoundedAndHoldNoSecret(t *testing.T) {
	store := eventstore.New(eventstore.NewMemory(), nil)
	sink := auth.NewEventSink(store, "")
	err := sink.Audit(t.Context(), &auth.AuditRecord{
		ID: "1", Time: time.Now(), RequestID: "a\x00b\xff" + strings.Repeat("c", 1<<20),
		Actions: []auth.Action{
			{Verb: auth.Read, Kind: auth.Resources, Name: "db://user:hunter2@host/" + strings.Repeat("x", 1<<20)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := trail(t, store)[0]
	if len(e.Data) > 4<<10 || strings.Contains(string(e.Data), "hunter2") || len(recordOf(t, e).Actions[0].Name) > 300 {
		t.Errorf("%.500s", e.Data)
	}
	if !strings.HasPrefix(e.Metadata.Causation, "abc") || len(e.Metadata.Causation) > 256 {
		t.Errorf("%.100q", e.Metadata.Causation)
	}
}

func TestBufferedSink_GivesManyRecordsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFaultyBackend()
		b.hold = make(chan struct{})
		store := eventstore.New(b, nil)
		buffer := auth.NewBufferedSink(auth.NewEventSink(store, ""), 0, nil)
		call := calls(t, auth.AuditOptions{Sink: buffer})
		for i := range 100 {
			_ = call(fmt.Sprintf("a%d", i))
			synctest.Wait()
		}
		close(b.hold)
		if err := buffer.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := b.appends.Load(); n != 2 || len(trail(t, store)) != 100 || buffer.Lost() != 0 {
			t.Errorf("%d appends, %d events, %d lost", n, len(trail(t, store)), buffer.Lost())
		}
	})
}

func TestBufferedSink_CountsWhatABatchSinkRefuses(t *testing.T) {
	b := newFaultyBackend()
	full := eventstore.ErrNoSpace
	b.before.Store(&full)
	buffer := auth.NewBufferedSink(auth.NewEventSink(eventstore.New(b, nil), ""), 0, nil)
	call := calls(t, auth.AuditOptions{Sink: buffer})
	for range 5 {
		_ = call("a")
	}
	if err := buffer.Close(t.Context()); err != nil || buffer.Lost() != 5 {
		t.Errorf("%v, %d lost", err, buffer.Lost())
	}
}

func TestAuditRecord_UnmarshalRefusesWhatIsNone(t *testing.T) {
	var r auth.AuditRecord
	if err := json.Unmarshal([]byte(`{"decision":"maybe"}`), &r); err == nil {
		t.Error("taken")
	}
}

func ExampleNewEventSink() {
	store := eventstore.New(eventstore.NewMemory(), nil) // or a file: adapter/sqlite
	sink := auth.NewEventSink(store, "")
	// Usually the server does this: server.Options{Audit: sink, AuditFailClosed: true}.
	r := &auth.AuditRecord{
		ID: "1", Time: time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC), RequestID: "7H", Principal: "ann", Method: "tools/call",
		Actions: []auth.Action{{Verb: auth.Execute, Kind: auth.Tools, Name: "purge"}}, Denied: true, Outcome: "not_found",
	}
	if err := sink.Audit(context.Background(), r); err != nil {
		fmt.Println(err)
	}
	for e, err := range store.ReadStream(context.Background(), "audit-2026-11-05", 0, eventstore.Forward) {
		var r auth.AuditRecord
		if err == nil {
			err = e.Decode(&r)
		}
		fmt.Println(e.Version, r.Principal, r.Actions, r.Denied, err)
	}
	// Output: 1 ann [execute:tools:purge] true <nil>
}
