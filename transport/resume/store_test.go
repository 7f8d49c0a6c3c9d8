package resume_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/transport/resume"
)

// inMemory are segments that outlive the stores over them.
type inMemory struct {
	mu       sync.Mutex
	segments map[int64]*disk
	failed   error // of Open
	refused  int64 // segment that cannot be opened
	append   error // of the next append
	stored   bool  // although it fails
	hang     bool  // appends wait for their end
	dropped  int
}

// A disk is a backend that Close leaves alone.
type disk struct {
	*eventstore.Memory

	of *inMemory
}

func (d *disk) Close() error { return nil }

func (d *disk) Append(ctx context.Context, a eventstore.Append) ([]eventstore.Event, error) {
	d.of.mu.Lock()
	err, stored := d.of.append, d.of.stored
	d.of.append = nil
	hang := d.of.hang
	d.of.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err == nil || stored {
		events, failed := d.Memory.Append(ctx, a)
		if err == nil {
			return events, failed
		}
	}
	return nil, err
}

func newInMemory() *inMemory { return &inMemory{segments: map[int64]*disk{}} }

func (m *inMemory) Open(ctx context.Context, n int64) (eventstore.Backend, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed != nil {
		return nil, m.failed
	}
	if n == m.refused {
		return nil, errors.New("refused")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.segments[n] == nil {
		m.segments[n] = &disk{eventstore.NewMemory(), m}
	}
	return m.segments[n], nil
}

func (m *inMemory) Drop(_ context.Context, before int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := range m.segments {
		if n < before {
			delete(m.segments, n)
			m.dropped++
		}
	}
	return nil
}

func (m *inMemory) fail(err error, stored bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.append, m.stored = err, stored
}

// after returns what comes after an index, joined.
func after(t *testing.T, s *resume.Store, session, stream string, index int) (string, error) {
	t.Helper()
	var got []string
	for data, err := range s.After(t.Context(), session, stream, index) {
		if err != nil {
			return strings.Join(got, " "), err
		}
		got = append(got, string(data))
	}
	return strings.Join(got, " "), nil
}

func expect(t *testing.T, s *resume.Store, session, stream string, index int, want string) {
	t.Helper()
	if got, err := after(t, s, session, stream, index); err != nil || got != want {
		t.Errorf("after %d of %s/%s: %q, %v; want %q", index, session, stream, got, err, want)
	}
}

func expectPurged(t *testing.T, s *resume.Store, session, stream string, index int) {
	t.Helper()
	if got, err := after(t, s, session, stream, index); !errors.Is(err, mcp.ErrEventsPurged) || got != "" {
		t.Errorf("after %d of %s/%s: %q, %v", index, session, stream, got, err)
	}
}

func say(t *testing.T, s *resume.Store, session, stream string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := s.Append(t.Context(), session, stream, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func begin(t *testing.T, s *resume.Store, session, stream string, texts ...string) {
	t.Helper()
	if err := s.Open(t.Context(), session, stream); err != nil {
		t.Fatal(err)
	}
	say(t, s, session, stream, texts...)
}

func closing(t *testing.T, s *resume.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStore_GivesWhatCameAfterAnEvent(t *testing.T) {
	s := resume.New(newInMemory(), nil)
	defer closing(t, s)
	begin(t, s, "a", "1", "zero", "", "two")
	begin(t, s, "a", "2")
	begin(t, s, "b", "1", "other")
	expect(t, s, "a", "1", -1, "zero  two")
	expect(t, s, "a", "1", 0, " two")
	expect(t, s, "a", "1", 2, "")
	expect(t, s, "a", "1", 99, "")
	expect(t, s, "a", "2", -1, "")
	expect(t, s, "b", "1", -1, "other")
	expectPurged(t, s, "a", "3", -1)
	expectPurged(t, s, "c", "1", -1)
	if err := s.Append(t.Context(), "a", "3", nil); err == nil {
		t.Error("a stream that was not opened")
	}
	if err := s.SessionClosed(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	expectPurged(t, s, "a", "2", -1)
}

func TestStore_DropsWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := newInMemory()
		s := resume.New(place, &resume.Options{Keep: time.Minute})
		defer closing(t, s)
		begin(t, s, "a", "1", "0", "1")
		<-time.After(time.Minute)
		say(t, s, "a", "1", "2", "3")
		expect(t, s, "a", "1", -1, "0 1 2 3")
		expect(t, s, "a", "1", 0, "1 2 3")
		expect(t, s, "a", "1", 2, "3")
		<-time.After(time.Minute)
		expectPurged(t, s, "a", "1", 0)
		expect(t, s, "a", "1", 1, "2 3")
		say(t, s, "a", "1", "4")
		expect(t, s, "a", "1", 1, "2 3 4")
		for range 10 {
			<-time.After(time.Hour)
			expectPurged(t, s, "a", "1", 3)
			expect(t, s, "a", "1", 4, "")
			if len(place.segments) != 2 {
				t.Errorf("%d segments", len(place.segments))
			}
		}
		say(t, s, "a", "1", "5") // it goes on where it was
		expect(t, s, "a", "1", 4, "5")
		expectPurged(t, s, "a", "1", 3)
	})
}

func TestStore_ARestartAndAnotherReplicaHaveTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := newInMemory()
		opts := &resume.Options{Keep: time.Minute}
		first, other := resume.New(place, opts), resume.New(place, opts)
		defer closing(t, other)
		begin(t, first, "a", "1", "0", "1")
		expect(t, other, "a", "1", 0, "1")
		closing(t, first)
		if err := first.Append(t.Context(), "a", "1", nil); !errors.Is(err, eventstore.ErrClosed) {
			t.Error(err)
		}
		again := resume.New(place, opts)
		defer closing(t, again)
		expect(t, again, "a", "1", -1, "0 1")
		<-time.After(time.Minute)
		begin(t, again, "a", "1", "2")
		expect(t, other, "a", "1", -1, "0 1 2")
		expect(t, again, "a", "1", 1, "2")
		expectPurged(t, again, "a", "2", -1)
	})
}

func TestStore_IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := resume.New(newInMemory(), &resume.Options{Keep: time.Minute, MaxBytes: 2*256 + 10, MaxStreams: 4})
		defer closing(t, s)
		begin(t, s, "a", "1", "12345", "67890")
		if err := s.Append(t.Context(), "a", "1", []byte("x")); err == nil {
			t.Error("more bytes than it may have")
		}
		for range 2 { // those without data, too
			_ = s.Append(t.Context(), "a", "1", nil)
		}
		expect(t, s, "a", "1", 1, "")
		for i := range 3 {
			begin(t, s, "a", fmt.Sprint("more", i))
		}
		if err := s.Open(t.Context(), "b", "1"); err == nil {
			t.Error("more streams than it may have")
		}
		<-time.After(time.Minute)
		say(t, s, "a", "1", "abc")
		expect(t, s, "a", "1", 0, "67890 abc")
		<-time.After(time.Minute)
		begin(t, s, "b", "1", "of b") // in place of those that were quiet
		say(t, s, "a", "1", "d")
		expect(t, s, "a", "1", 1, "abc d")
		if err := s.Append(t.Context(), "a", "more1", nil); !errors.Is(err, mcp.ErrEventsPurged) {
			t.Errorf("a stream that was forgotten: %v", err)
		}
	})
}

func TestStore_AStreamThatNobodyKnowsTheEndOfIsNotContinued(t *testing.T) {
	for _, stored := range []bool{false, true} {
		place := newInMemory()
		s := resume.New(place, nil)
		begin(t, s, "a", "1", "0")
		place.fail(errors.New("the answer was lost"), stored)
		if err := s.Append(t.Context(), "a", "1", []byte("1")); err == nil {
			t.Fatal("no error")
		}
		if err := s.Append(t.Context(), "a", "1", []byte("2")); err == nil {
			t.Error("goes on with indexes that the client does not have")
		}
		begin(t, s, "a", "2", "0")
		closing(t, s)
	}
}

func TestStore_GoesOnWhenThereIsSpaceAgain(t *testing.T) {
	place := newInMemory()
	s := resume.New(place, nil)
	defer closing(t, s)
	begin(t, s, "a", "1", "0")
	place.fail(eventstore.ErrNoSpace, false)
	if err := s.Append(t.Context(), "a", "1", []byte("lost")); !errors.Is(err, eventstore.ErrNoSpace) {
		t.Fatal(err)
	}
	say(t, s, "a", "1", "1")
	expect(t, s, "a", "1", 0, "1")
}

func TestStore_TriesAgainToOpenASegment(t *testing.T) {
	place := newInMemory()
	place.failed = errors.New("no such folder")
	s := resume.New(place, nil)
	defer closing(t, s)
	if err := s.Check(t.Context()); !errors.Is(err, place.failed) {
		t.Error(err)
	}
	if err := s.Open(t.Context(), "a", "1"); !errors.Is(err, place.failed) {
		t.Error(err)
	}
	if _, err := after(t, s, "a", "1", 0); !errors.Is(err, place.failed) {
		t.Error(err)
	}
	place.failed = nil
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	begin(t, s, "a", "1", "0")
}

// stuck are segments that do not open.
type stuck struct{ opening atomic.Int64 }

func (s *stuck) Open(ctx context.Context, _ int64) (eventstore.Backend, error) {
	s.opening.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*stuck) Drop(context.Context, int64) error { return nil }

// In real time, since virtual time stands still while somebody waits for a mutex.
func TestStore_SegmentsThatDoNotOpenHoldUpAllOnce(t *testing.T) {
	place := &stuck{}
	s := resume.New(place, nil)
	defer closing(t, s)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if err := s.Open(t.Context(), "a", fmt.Sprint(i)); err == nil {
				t.Error("a stream in no segment")
			}
			if _, err := after(t, s, "a", "1", 0); err == nil {
				t.Error("events of no segment")
			}
			if err := s.Check(t.Context()); err == nil {
				t.Error("all is well")
			}
		})
	}
	wg.Wait()
	if n := place.opening.Load(); n > 5 {
		t.Errorf("%d of 30 waited for a segment", n)
	}
}

func TestStore_DoesNotBeginAnewWhatTheLastSegmentMayHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := newInMemory()
		opts := &resume.Options{Keep: time.Minute}
		first := resume.New(place, opts)
		begin(t, first, "a", "1", "0", "1")
		closing(t, first)
		for n := range place.segments {
			place.refused = max(place.refused, n)
		}
		<-time.After(time.Minute)
		s := resume.New(place, opts)
		defer closing(t, s)
		if err := s.Open(t.Context(), "a", "1"); err == nil {
			t.Error("the stream begins anew")
		}
		if got, err := after(t, s, "a", "1", 0); err == nil || errors.Is(err, mcp.ErrEventsPurged) {
			t.Errorf("while the segment cannot be opened: %q, %v", got, err)
		}
		place.refused = 0
		<-time.After(5 * time.Second)
		begin(t, s, "a", "1", "2")
		expect(t, s, "a", "1", -1, "0 1 2")
	})
}

// leaving are segments whose caller leaves when the first of them is open.
type leaving struct {
	*inMemory

	leave func()
}

func (l leaving) Open(ctx context.Context, n int64) (eventstore.Backend, error) {
	defer l.leave()
	return l.inMemory.Open(ctx, n)
}

func TestStore_WhoLeavesDoesNotKeepSegmentsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := newInMemory()
		opts := &resume.Options{Keep: time.Minute}
		first := resume.New(place, opts)
		begin(t, first, "a", "1", "0", "1")
		closing(t, first)
		<-time.After(time.Minute)
		ctx, leave := context.WithCancel(t.Context())
		s := resume.New(leaving{place, leave}, opts)
		defer closing(t, s)
		for _, err := range s.After(ctx, "a", "1", 0) {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		expect(t, s, "a", "1", 0, "1")
	})
}

func TestStore_AStoreThatDoesNotAnswerHoldsUpOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := newInMemory()
		s := resume.New(place, nil)
		defer closing(t, s)
		begin(t, s, "a", "1", "0")
		begin(t, s, "a", "2")
		place.hang = true
		for i, want := range []time.Duration{2 * time.Second, 0, 0} {
			began := time.Now()
			if err := s.Append(t.Context(), "a", fmt.Sprint(1+i%2), nil); err == nil || time.Since(began) != want {
				t.Errorf("event %d: %v after %v", i, err, time.Since(began))
			}
		}
		place.hang = false
		<-time.After(5 * time.Second)
		say(t, s, "a", "2", "0", "1")
		expect(t, s, "a", "2", 0, "1")
	})
}

func TestStore_NamesNoSession(t *testing.T) {
	place := newInMemory()
	s := resume.New(place, nil)
	defer closing(t, s)
	begin(t, s, "secret", "1", "x")
	for _, d := range place.segments {
		page, err := d.ReadAll(t.Context(), eventstore.AllQuery{Limit: eventstore.PageLimit{Events: 9, Bytes: 999}})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if strings.Contains(fmt.Sprintf("%+v", e), "secret") {
				t.Errorf("%+v", e)
			}
		}
	}
}

func TestStore_ManyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := resume.New(newInMemory(), &resume.Options{Keep: time.Second})
		defer closing(t, s)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				session, stream := fmt.Sprint(i%4), fmt.Sprint(i/4)
				begin(t, s, session, stream)
				var all []string
				for n := range 100 {
					text := fmt.Sprint(n)
					say(t, s, session, stream, text)
					all = append(all, text)
					<-time.After(10 * time.Millisecond)
					from := max(0, n-20) // what cannot be too old
					expect(t, s, session, stream, from-1, strings.Join(all[from:], " "))
				}
			})
		}
		wg.Wait()
	})
}

func Example() {
	streams := resume.New(newInMemory(), nil) // sqlite.Segments("streams") in a server
	defer streams.Close()
	ctx := context.Background()
	_ = streams.Open(ctx, "session", "stream")
	for _, message := range []string{"one", "two", "three"} {
		_ = streams.Append(ctx, "session", "stream", []byte(message))
	}
	var rest []string
	for data, err := range streams.After(ctx, "session", "stream", 0) { // Last-Event-ID: stream_0
		if err != nil {
			fmt.Println(err)
		}
		rest = append(rest, string(data))
	}
	fmt.Println(rest)
	// Output: [two three]
}
