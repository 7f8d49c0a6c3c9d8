package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

// A run is a projector that runs until stop, which waits for its end.
type run struct {
	*eventstore.Projector
	stop func()
}

// project starts a projection. It is quick to try again, and slow to be replaced.
func project(t *testing.T, s *eventstore.Store, p eventstore.Projection) run {
	t.Helper()
	if p.Backoff == 0 {
		p.Backoff = time.Millisecond
	}
	projector, err := eventstore.NewProjector(s, p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := projector.Run(ctx)
		if ctx.Err() == nil && !errors.Is(err, eventstore.ErrRemoved) && !errors.Is(err, eventstore.ErrClosed) {
			t.Errorf("the projector ended: %v", err)
		}
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return run{projector, stop}
}

// catchUp waits until all that is stored is in the view.
func (r run) catchUp(t *testing.T, s *eventstore.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	head, err := s.Head(ctx)
	if err == nil {
		err = r.Wait(ctx, head)
	}
	if err != nil {
		status, _ := r.Status(t.Context())
		t.Fatalf("the projection does not catch up: %v: %+v", err, status)
	}
}

// until waits for a status.
func (r run) until(t *testing.T, what string, holds func(eventstore.ProjectionStatus) bool) eventstore.ProjectionStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := r.Status(ctx)
		if err != nil {
			t.Fatalf("never: %s: %v", what, err)
		}
		if holds(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s: %+v", what, s)
		}
	}
}

func testProjection(t *testing.T, c Config) {
	s, _ := c.openViews(t)
	if _, _, err := links(t.Context(), s); !errors.Is(err, eventstore.ErrNoView) {
		t.Errorf("a view before the first run: %v", err)
	}
	mustAppend(t, s, "a", eventstore.Any, evs("a", 5)...)
	mustAppend(t, s, "b", eventstore.Any, evs("b", 4)...)
	p := chain(1, "")
	p.BatchEvents = 2
	p.Holder = "me"
	r := project(t, s, p)
	r.catchUp(t, s)
	holds(t, s, 1, "", nil)
	for i := range 5 {
		stored := mustAppend(t, s, fmt.Sprint("c", i%2), eventstore.Any, evs(fmt.Sprint("c", i), 3)...)
		if err := r.Wait(t.Context(), stored[2].Position); err != nil {
			t.Fatal(err)
		}
		holds(t, s, 1, "", nil)
	}
	status := r.until(t, "all is stored", func(s eventstore.ProjectionStatus) bool { return s.Applied == 24 })
	if status.Holder != "me" || status.Token != 1 || status.Current != 1 || status.Lag != 0 || status.Waiting != 0 {
		t.Errorf("status: %+v", status)
	}
	if err := r.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	r.until(t, "it has no lag", func(eventstore.ProjectionStatus) bool { return r.Stats().Lag == 0 })
	if stats := r.Stats(); stats.Applied != 24 || !stats.Leading || stats.Errors != 0 {
		t.Errorf("stats: %+v", stats)
	}
	if err := r.Run(t.Context()); err == nil {
		t.Error("a projector runs twice")
	}
	r.stop()
	if status, err := r.Status(t.Context()); err != nil || status.Holder != "" {
		t.Errorf("status after the end: %+v, %v", status, err)
	}
	mustAppend(t, s, "a", eventstore.Any, evs("late", 3)...)
	if status, err := r.Status(t.Context()); err != nil || status.Waiting != 3 || status.Lag <= 0 {
		t.Errorf("status behind: %+v, %v", status, err)
	}
	r = project(t, s, p)
	r.catchUp(t, s)
	holds(t, s, 1, "", nil)
}

// testProjectionFilter has a view of few of the events.
func testProjectionFilter(t *testing.T, c Config) {
	s, _ := c.openViews(t)
	out := map[string]bool{}
	for i := range 6 {
		for _, e := range mustAppend(t, s, "other", eventstore.Any, evs(fmt.Sprint("o", i), 7)...) {
			out[e.ID] = true
		}
		mustAppend(t, s, fmt.Sprint("mine-", i%2), eventstore.Any, evs(fmt.Sprint("m", i), 2)...)
	}
	for _, e := range mustAppend(t, s, "other", eventstore.Any, evs("last", 7)...) {
		out[e.ID] = true
	}
	p := chain(1, "")
	p.Filter.StreamPrefix = "mine-"
	p.BatchEvents = 3
	r := project(t, s, p)
	r.catchUp(t, s)
	holds(t, s, 1, "", out)
	if status, err := r.Status(t.Context()); err != nil || status.Waiting != 0 || status.Applied != 12 {
		t.Errorf("status: %+v, %v", status, err)
	}
}

func testProjectionReopen(t *testing.T, c Config) {
	if c.Reopen == nil {
		t.Skip("the backend keeps nothing beyond Close")
	}
	b := c.Open(t)
	if _, ok := b.(eventstore.Views); !ok {
		t.Skip("the backend keeps no views")
	}
	for i := range 3 {
		s := eventstore.New(b, nil)
		mustAppend(t, s, "a", eventstore.Any, evs(fmt.Sprint("e", i), 5)...)
		p := chain(1, "")
		p.Lease = time.Second
		r := project(t, s, p)
		r.catchUp(t, s)
		holds(t, s, 1, "", nil)
		if i == 1 {
			// Closed under a runner, which ends by itself and keeps the lease.
			r.stop = func() {}
		}
		r.stop()
		closeBackend(t, b)
		b = c.Reopen(t, b)
	}
	closeBackend(t, b)
}

// testProjectionLoad has writers append while two processes project.
func testProjectionLoad(t *testing.T, c Config) {
	s, _ := c.openViews(t)
	other := s
	if c.Another != nil {
		b := c.Another(t, s.Backend())
		t.Cleanup(func() { closeBackend(t, b) })
		other = eventstore.New(b, nil)
	}
	one := project(t, s, chain(1, ""))
	two := project(t, other, chain(1, ""))
	const writers, each = 8, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.Append(t.Context(), fmt.Sprint("s", (w+i)%5), eventstore.Any, ev(fmt.Sprintf("w%d-%d", w, i))); err != nil {
					t.Errorf("append: %v", err)
				}
				if w == 0 && i == each/2 {
					one.stop() // the other takes over, if it was not the one
				}
			}
		})
	}
	wg.Wait()
	two.catchUp(t, other)
	holds(t, other, 1, "", nil)
}

// A stopper is a backend whose process stops before its next transaction.
type stopper struct {
	eventstore.Backend
	views eventstore.Views

	mu      sync.Mutex
	stopped chan struct{} // closed when it has
	goOn    chan struct{}
	swap    bool // only in a transaction that is about two versions
}

func (b *stopper) arm(swap bool) (stopped, goOn chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped, b.goOn, b.swap = make(chan struct{}), make(chan struct{}), swap
	return b.stopped, b.goOn
}

func (b *stopper) UpdateViews(ctx context.Context, locks []string, f func(context.Context, eventstore.ViewTx) error) error {
	b.mu.Lock()
	var stopped, goOn chan struct{}
	if !b.swap || len(locks) > 1 {
		stopped, goOn, b.stopped = b.stopped, b.goOn, nil
	}
	b.mu.Unlock()
	if stopped != nil {
		close(stopped)
		<-goOn
		// The one that was stopped has not noticed how late it is.
		ctx = context.WithoutCancel(ctx)
	}
	return b.views.UpdateViews(ctx, locks, f)
}

func (b *stopper) ReadViews(ctx context.Context, f func(context.Context, eventstore.ViewTx) error) error {
	return b.views.ReadViews(ctx, f)
}

// testProjectionFence stops a runner, has another take over, and wakes it.
func testProjectionFence(t *testing.T, c Config) {
	s, v := c.openViews(t)
	asleep := &stopper{Backend: s.Backend(), views: v}
	first := chain(1, "")
	first.Lease, first.Holder = 500*time.Millisecond, "first"
	errs := make(chan error, 100)
	first.OnError = func(err error) { errs <- err }
	one := project(t, eventstore.New(asleep, nil), first)
	mustAppend(t, s, "a", eventstore.Any, evs("one", 5)...)
	one.catchUp(t, s)

	stopped, goOn := asleep.arm(false)
	mustAppend(t, s, "a", eventstore.Any, evs("two", 5)...)
	<-stopped
	second := chain(1, "")
	second.Holder = "second"
	two := project(t, s, second)
	two.catchUp(t, s)
	mustAppend(t, s, "a", eventstore.Any, evs("three", 5)...)
	two.catchUp(t, s)
	before := two.until(t, "the other leads", func(s eventstore.ProjectionStatus) bool { return s.Holder == "second" })
	for len(errs) > 0 {
		t.Log("before: ", <-errs)
	}
	close(goOn)
	if err := <-errs; err == nil || one.Stats().Leading {
		t.Errorf("the one that was stopped: %v", err)
	}
	after := two.until(t, "it is as it was", func(eventstore.ProjectionStatus) bool { return true })
	if after.Applied != before.Applied || after.Token != before.Token || after.Position != before.Position {
		t.Errorf("the one that was stopped made %+v of %+v", after, before)
	}
	holds(t, s, 1, "", nil)

	two.stop() // and takes over again
	mustAppend(t, s, "a", eventstore.Any, evs("four", 5)...)
	one.catchUp(t, s)
	holds(t, s, 1, "", nil)
}

var errPoison = errors.New("poison")

// A dose decides which events are poison.
type dose struct {
	mu  sync.Mutex
	ids map[string]int // how often they fail yet; negative means always
}

func (d *dose) set(id string, times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids == nil {
		d.ids = make(map[string]int)
	}
	d.ids[id] = times
}

func (d *dose) into(p eventstore.Projection) eventstore.Projection {
	apply := p.Apply
	p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		if err := apply(ctx, v, e); err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		n := d.ids[e.ID]
		if n > 0 {
			d.ids[e.ID] = n - 1
		}
		switch {
		case n == 0:
			return nil
		case n%2 == 0:
			panic("poison")
		}
		return errPoison // after it was applied: it has to be taken back
	}
	return p
}

func testProjectionHalt(t *testing.T, c Config) {
	s, _ := c.openViews(t)
	var d dose
	d.set("e-3", -1)
	p := d.into(chain(1, ""))
	p.Retries = 2
	r := project(t, s, p)
	mustAppend(t, s, "a", eventstore.Any, evs("e", 5)...)
	status := r.until(t, "it halts", func(s eventstore.ProjectionStatus) bool { return s.Halted })
	f := status.Failing
	if f == nil || f.EventID != "e-3" || f.Attempts != 3 || f.Error != "poison" || f.Stream != "a" || status.Applied != 2 {
		t.Errorf("status: %+v, failing %+v", status, f)
	}
	var halted *eventstore.HaltedError
	if err := r.Check(t.Context()); !errors.As(err, &halted) || halted.Failure.EventID != "e-3" {
		t.Errorf("check: %v", err)
	}
	if head, err := s.Head(t.Context()); err != nil || !errors.As(r.Wait(t.Context(), head), &halted) {
		t.Errorf("wait: %v", err)
	}
	d.set("e-3", 2) // fails with a panic, and then without
	if err := r.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.catchUp(t, s)
	holds(t, s, 1, "", nil)

	if err := r.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored := mustAppend(t, s, "a", eventstore.Any, evs("f", 5)...)
	status = r.until(t, "it has paused", func(s eventstore.ProjectionStatus) bool { return s.Paused && s.Waiting == 5 })
	if status.Applied != 5 {
		t.Errorf("status: %+v", status)
	}
	if err := r.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context(), stored[4].Position); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1, "", nil)
}

func testProjectionPark(t *testing.T, c Config) {
	s, _ := c.openViews(t)
	var d dose
	p := d.into(chain(1, ""))
	p.Retries = -1
	p.OnPoison = eventstore.Park
	p.MaxParked = 4
	r := project(t, s, p)
	for i := range 4 { // of each stream one is poison
		d.set("a-3", -1)
		d.set("b-1", -1)
		mustAppend(t, s, "a", eventstore.Any, ev(fmt.Sprint("a-", i+1)))
		mustAppend(t, s, "b", eventstore.Any, ev(fmt.Sprint("b-", i+1)))
		mustAppend(t, s, "c", eventstore.Any, ev(fmt.Sprint("c-", i+1)))
	}
	// a-3 b-1 b-2 b-3 are parked, a-4 and b-4 would be too many.
	status := r.until(t, "it halts", func(s eventstore.ProjectionStatus) bool { return s.Halted })
	if status.Parked != 4 || status.Failing == nil || status.Failing.EventID != "a-4" {
		t.Errorf("status: %+v, failing %+v", status, status.Failing)
	}
	parkedAre(t, r, "a-3 b-1 b-2 b-3")
	if n, err := r.Retry(t.Context(), "b"); n != 0 || !errors.Is(err, errPoison) {
		t.Errorf("a retry in vain: %d, %v", n, err)
	}
	if parked := parkedAre(t, r, "a-3 b-1 b-2 b-3"); parked[1].Attempts != 2 || parked[2].Attempts != 0 {
		t.Errorf("parked: %+v", parked)
	}
	d.set("b-1", 0)
	if n, err := r.Retry(t.Context(), "b"); n != 3 || err != nil {
		t.Errorf("a retry: %d, %v", n, err)
	}
	if err := r.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.catchUp(t, s)
	parked := parkedAre(t, r, "a-3 a-4")
	for range 2 {
		if err := r.Discard(t.Context(), parked[0]); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := r.Retry(t.Context(), "a"); n != 1 || err != nil {
		t.Errorf("a retry: %d, %v", n, err)
	}
	parkedAre(t, r, "")
	holds(t, s, 1, "", map[string]bool{"a-3": true})
	mustAppend(t, s, "a", eventstore.Any, ev("a-5"))
	r.catchUp(t, s)
	holds(t, s, 1, "", map[string]bool{"a-3": true})
}

func parkedAre(t *testing.T, r run, want string) []eventstore.Failure {
	t.Helper()
	parked, err := r.Parked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, f := range parked {
		ids = append(ids, f.EventID)
	}
	slices.Sort(ids)
	if expect(t, "parked", fmt.Sprint(ids), "["+want+"]"); t.Failed() {
		t.FailNow()
	}
	slices.SortFunc(parked, func(a, b eventstore.Failure) int {
		if a.EventID < b.EventID {
			return -1
		}
		return 1
	})
	return parked
}

// testProjectionRebuild builds a second version beside the first while events
// are written. A reader never sees the view go back.
func testProjectionRebuild(t *testing.T, c Config) {
	s, _ := c.openViews(t)
	old := project(t, s, chain(1, "old"))
	mustAppend(t, s, "a", eventstore.Any, evs("e", 50)...)
	old.catchUp(t, s)

	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			stored, err := s.Append(t.Context(), "a", eventstore.Any, ev(fmt.Sprint("w", i)))
			if err == nil { // faster than it is projected nothing could catch up
				err = old.Wait(t.Context(), stored[0].Position)
			}
			if err != nil {
				t.Errorf("append: %v", err)
				return
			}
		}
	})
	wg.Go(func() {
		for last, version := 0, 0; version < 2; {
			got, v, err := links(t.Context(), s)
			if err != nil || got["a"].N < last || v < version {
				t.Errorf("the view goes from %d of version %d to %d of version %d, %v", last, version, got["a"].N, v, err)
				return
			}
			last, version = got["a"].N, v
		}
	})
	p := chain(2, "new")
	p.BatchEvents = 7
	fresh := project(t, s, p)
	fresh.until(t, "the new version is current", func(s eventstore.ProjectionStatus) bool { return s.Current == 2 })
	close(stop)
	wg.Wait()
	fresh.catchUp(t, s)
	holds(t, s, 2, "new", nil)

	// Back, and forth again.
	old.catchUp(t, s)
	if err := old.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1, "old", nil)
	var invalid *eventstore.InvalidError
	if err := old.Remove(t.Context()); !errors.As(err, &invalid) {
		t.Errorf("the current version is removed: %v", err)
	}
	if err := fresh.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := old.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := old.Run(t.Context()); err == nil {
		t.Error("a removed version runs")
	}
	if _, err := old.Status(t.Context()); !errors.Is(err, eventstore.ErrRemoved) {
		t.Errorf("status of a removed version: %v", err)
	}
	mustAppend(t, s, "a", eventstore.Any, evs("last", 3)...)
	fresh.catchUp(t, s)
	holds(t, s, 2, "new", nil)
}

// testProjectionSwap stops a new version just before it becomes the current one,
// and has the old one go on.
func testProjectionSwap(t *testing.T, c Config) {
	s, v := c.openViews(t)
	old := project(t, s, chain(1, "old"))
	mustAppend(t, s, "a", eventstore.Any, evs("e", 5)...)
	old.catchUp(t, s)

	asleep := &stopper{Backend: s.Backend(), views: v}
	stopped, goOn := asleep.arm(true)
	fresh := project(t, eventstore.New(asleep, nil), chain(2, "new"))
	<-stopped
	mustAppend(t, s, "a", eventstore.Any, evs("f", 3)...)
	old.catchUp(t, s)
	old.stop()
	close(goOn)
	for version := 1; version == 1; {
		got, now, err := links(t.Context(), s)
		if version = now; err != nil || got["a"].N != 8 {
			t.Fatalf("version %d is current with %d events of 8, %v", version, got["a"].N, err)
		}
	}
	fresh.catchUp(t, s)
	holds(t, s, 2, "new", nil)
}
