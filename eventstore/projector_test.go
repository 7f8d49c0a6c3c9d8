package eventstore_test

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

	"github.com/trestle-mcp/trestle/eventstore"
)

// counted is a projection that counts events under their stream.
func counted(holder string) eventstore.Projection {
	return eventstore.Projection{
		Name: "count", Holder: holder,
		Apply: func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
			n := 0
			if _, err := v.Get(ctx, e.Stream, &n); err != nil {
				return err
			}
			return v.Set(e.Stream, n+1)
		},
	}
}

// start runs a projection until stop, in virtual time.
func start(t *testing.T, s *eventstore.Store, p eventstore.Projection) (projector *eventstore.Projector, stop func()) {
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
	return projector, func() { cancel(); wg.Wait() }
}

// pass lets virtual time pass, and all come to rest.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func happen(t *testing.T, s *eventstore.Store, n int) {
	t.Helper()
	events := make([]eventstore.Event, n)
	for i := range events {
		events[i].Type = "happened"
	}
	if _, err := s.Append(t.Context(), "a", eventstore.Any, events...); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, s *eventstore.Store) (n int) {
	t.Helper()
	err := s.View(t.Context(), "count", func(ctx context.Context, v *eventstore.View) error {
		_, err := v.Get(ctx, "a", &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func statusOf(t *testing.T, p *eventstore.Projector) eventstore.ProjectionStatus {
	t.Helper()
	s, err := p.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A valve is a backend whose process can be stopped before its transactions.
type valve struct {
	*eventstore.Memory
	shut atomic.Pointer[chan struct{}]
}

func (v *valve) UpdateViews(ctx context.Context, locks []string, f func(context.Context, eventstore.ViewTx) error) error {
	if shut := v.shut.Load(); shut != nil {
		<-*shut
		ctx = context.WithoutCancel(ctx) // it does not know how late it is
	}
	return v.Memory.UpdateViews(ctx, locks, f)
}

func (v *valve) close() (open func()) {
	shut := make(chan struct{})
	v.shut.Store(&shut)
	return func() {
		v.shut.Store(nil)
		close(shut)
	}
}

func TestProjector_ReplacesARunnerThatGivesNoSignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &valve{Memory: eventstore.NewMemory()}
		s := eventstore.New(v.Memory, nil)
		var lost []string
		first := counted("first")
		first.OnError = func(err error) { lost = append(lost, err.Error()) }
		one, stopOne := start(t, eventstore.New(v, nil), first)
		synctest.Wait()
		happen(t, s, 2)
		synctest.Wait()
		two, stopTwo := start(t, s, counted("second"))

		pass(time.Minute) // alive, it is not replaced
		if got := statusOf(t, two); got.Holder != "first" || got.Token != 1 || two.Stats().Leading {
			t.Errorf("beside one that is alive: %+v", got)
		}
		open := v.close()
		happen(t, s, 2) // it stops before its transaction
		synctest.Wait()
		pass(6 * time.Second) // of 10, of which up to 2 until it was noticed
		if got := statusOf(t, two); got.Holder != "first" {
			t.Errorf("before its lease is over: %+v", got)
		}
		pass(7 * time.Second)
		if got := statusOf(t, two); got.Holder != "second" || got.Token != 2 || got.Applied != 4 {
			t.Errorf("after its lease is over: %+v", got)
		}
		happen(t, s, 2)
		synctest.Wait()

		open()
		synctest.Wait()
		if got := statusOf(t, two); got.Holder != "second" || got.Applied != 6 || count(t, s) != 6 {
			t.Errorf("after it woke: %+v, %d", got, count(t, s))
		}
		if one.Stats().Leading || len(lost) != 1 || !strings.Contains(lost[0], "lease") {
			t.Errorf("the one that woke: %+v, %q", one.Stats(), lost)
		}
		pass(time.Minute)
		stopTwo() // lets go, and is replaced without its lease having to end
		pass(2 * time.Second)
		if got := statusOf(t, one); got.Holder != "first" || got.Token != 3 {
			t.Errorf("after the other let go: %+v", got)
		}
		stopOne()
	})
}

func TestProjector_TriesAnEventAgainEverLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := eventstore.New(eventstore.NewMemory(), nil)
		var tries []time.Duration
		began := time.Now()
		p := counted("")
		p.Retries = 12
		p.Apply = func(context.Context, *eventstore.View, eventstore.Event) error {
			tries = append(tries, time.Since(began))
			return errors.New("no")
		}
		projector, stop := start(t, s, p)
		defer stop()
		happen(t, s, 1)
		pass(15 * time.Second)
		if got := statusOf(t, projector); got.Failing == nil || got.Failing.Attempts != 8 || got.Failing.Error != "no" || got.Token != 1 {
			t.Errorf("status: %+v", got)
		}
		pass(5 * time.Minute)
		var waits []time.Duration
		for i := range tries[1:] {
			waits = append(waits, tries[i+1]-tries[i])
		}
		const want = "[100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s 10s 10s 10s 10s 10s]"
		if fmt.Sprint(waits) != want {
			t.Errorf("waits %v, want %s", waits, want)
		}
		got := statusOf(t, projector)
		if !got.Halted || got.Failing.Attempts != 13 || got.Token != 1 || got.Lag < 5*time.Minute || got.Waiting != 1 {
			t.Errorf("status: %+v", got)
		}
		if s := projector.Stats(); s.Retries != 13 || s.Errors != 13 || s.Lag < 5*time.Minute {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestProjector_BlamesAnEventThatTakesAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := eventstore.New(eventstore.NewMemory(), nil)
		p := counted("")
		p.Retries = 1
		p.OnPoison = eventstore.Park
		apply := p.Apply
		p.Apply = func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
			if e.Version == 2 {
				<-ctx.Done()
				return ctx.Err()
			}
			return apply(ctx, v, e)
		}
		projector, stop := start(t, s, p)
		defer stop()
		happen(t, s, 1)
		happen(t, s, 1)
		synctest.Wait()
		pass(time.Minute)
		got := statusOf(t, projector)
		if got.Parked != 1 || got.Applied != 1 || got.Token != 1 || count(t, s) != 1 {
			t.Errorf("status: %+v", got)
		}
	})
}

func TestProjector_CheckTellsOfWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := eventstore.NewMemory()
		s := eventstore.New(backend, nil)
		p := counted("")
		p.MaxLag = time.Minute
		projector, stop := start(t, s, p)
		happen(t, s, 1)
		pass(2 * time.Minute)
		if err := projector.Check(t.Context()); err != nil {
			t.Errorf("caught up: %v", err)
		}
		stop()
		happen(t, s, 1)
		pass(59 * time.Second)
		if err := projector.Check(t.Context()); err != nil {
			t.Errorf("a little late: %v", err)
		}
		pass(2 * time.Second)
		if err := projector.Check(t.Context()); err == nil {
			t.Error("late, and nobody says so")
		}
	})
}

// A sick backend fails in its transactions for a while.
type sick struct {
	*eventstore.Memory
	ill atomic.Bool
}

var errSick = errors.New("sick")

func (b *sick) UpdateViews(ctx context.Context, locks []string, f func(context.Context, eventstore.ViewTx) error) error {
	if b.ill.Load() {
		return errSick
	}
	return b.Memory.UpdateViews(ctx, locks, f)
}

func TestProjector_OutlastsABackendThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &sick{Memory: eventstore.NewMemory()}
		s := eventstore.New(b, nil)
		p := counted("")
		var errs atomic.Int64
		p.OnError = func(err error) {
			if errs.Add(1); !errors.Is(err, errSick) {
				t.Errorf("told of %v", err)
			}
		}
		projector, stop := start(t, s, p)
		happen(t, s, 1)
		synctest.Wait()
		b.ill.Store(true)
		happen(t, s, 1)
		pass(time.Minute)
		if err := projector.Check(t.Context()); !errors.Is(err, errSick) {
			t.Errorf("check: %v", err)
		}
		if n := errs.Load(); n < 10 || n > 20 {
			t.Errorf("%d errors in a minute", n)
		}
		b.ill.Store(false)
		pass(6 * time.Second)
		if err := projector.Check(t.Context()); err != nil || count(t, s) != 2 {
			t.Errorf("check after: %v, %d", err, count(t, s))
		}
		if got := statusOf(t, projector); got.Failing != nil {
			t.Errorf("an event was blamed: %+v", got.Failing)
		}
		stop()
	})
}

// A torn backend takes back transactions that could have been committed.
type torn struct {
	*eventstore.Memory
	n atomic.Int64
}

func (b *torn) UpdateViews(ctx context.Context, locks []string, f func(context.Context, eventstore.ViewTx) error) error {
	return b.Memory.UpdateViews(ctx, locks, func(ctx context.Context, tx eventstore.ViewTx) error {
		err := f(ctx, tx)
		if err == nil && b.n.Add(1)%7 == 0 {
			err = errSick
		}
		return err
	})
}

func TestProjection_ElsewhereThePositionTellsWhatComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := eventstore.New(&torn{Memory: eventstore.NewMemory()}, nil)
		var guarded, unguarded int
		var at eventstore.Position
		p := counted("")
		p.BatchEvents = 3
		p.Apply = func(_ context.Context, _ *eventstore.View, e eventstore.Event) error {
			unguarded++
			if e.Position.Compare(at) > 0 {
				guarded, at = guarded+1, e.Position
			}
			return nil
		}
		projector, stop := start(t, s, p)
		for range 10 {
			happen(t, s, 5)
			pass(time.Minute)
		}
		if got := statusOf(t, projector); got.Applied != 50 || got.Failing != nil {
			t.Errorf("status: %+v", got)
		}
		stop()
		if guarded != 50 || unguarded <= 50 {
			t.Errorf("%d events of 50 with the position as a guard, %d without", guarded, unguarded)
		}
	})
}

func TestProjector_EndsWhereItCannotGoOn(t *testing.T) {
	backend := eventstore.NewMemory()
	s := eventstore.New(backend, nil)
	projector, err := eventstore.NewProjector(s, counted(""))
	if err != nil {
		t.Fatal(err)
	}
	var invalid *eventstore.InvalidError
	if err := projector.Promote(t.Context()); !errors.As(err, &invalid) {
		t.Errorf("a version that has never run is promoted: %v", err)
	}
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	if err := projector.Run(t.Context()); !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("run on a closed store: %v", err)
	}
}

func TestNewProjector_RefusesWhatCannotRun(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	for name, change := range map[string]func(*eventstore.Projection){
		"no name":             func(p *eventstore.Projection) { p.Name = "" },
		"a name that is none": func(p *eventstore.Projection) { p.Name = "a\nb" },
		"no apply":            func(p *eventstore.Projection) { p.Apply = nil },
		"a negative version":  func(p *eventstore.Projection) { p.Version = -1 },
		"an unknown way":      func(p *eventstore.Projection) { p.OnPoison = 7 },
	} {
		p := counted("")
		change(&p)
		var invalid *eventstore.InvalidError
		if _, err := eventstore.NewProjector(s, p); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	poor := struct{ eventstore.Backend }{eventstore.NewMemory()}
	if _, err := eventstore.NewProjector(eventstore.New(poor, nil), counted("")); err == nil {
		t.Error("a backend without views is taken")
	}
	if err := eventstore.New(poor, nil).View(t.Context(), "count", nil); err == nil {
		t.Error("a backend without views has one")
	}
}

func TestView_RefusesKeysItCannotKeep(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	p := counted("")
	p.Apply = func(ctx context.Context, v *eventstore.View, _ eventstore.Event) error {
		for _, key := range []string{"", "a\x00", "\xff", strings.Repeat("k", 1025)} {
			if err := v.Set(key, 1); err == nil {
				t.Errorf("key %.5q is set", key)
			}
			if _, err := v.Get(ctx, key, new(int)); err == nil {
				t.Errorf("key %.5q is got", key)
			}
		}
		if err := v.Set("k", func() {}); err == nil {
			t.Error("a function is set")
		}
		return errors.Join(v.Set(strings.Repeat("k", 1024), 1), v.Set("a", 1), v.Delete("a"), v.Delete("b"))
	}
	projector, stop := start(t, s, p)
	defer stop()
	happen(t, s, 1)
	head, err := s.Head(t.Context())
	if err == nil {
		err = projector.Wait(t.Context(), head)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(t.Context(), "count", func(ctx context.Context, v *eventstore.View) error {
		for e, err := range v.All(ctx, "") {
			if err != nil || len(e.Key) != 1024 {
				t.Errorf("%.10s, %v", e.Key, err)
			}
		}
		for e, err := range v.AllAfter(ctx, "", strings.Repeat("k", 1024)) {
			t.Errorf("%.10s, %v behind the last", e.Key, err)
		}
		for e, err := range v.AllAfter(ctx, "", "\xff") {
			if err == nil {
				t.Errorf("%.10s behind what is no text", e.Key)
			}
		}
		if v.Set("a", 1) == nil || v.Delete("a") == nil {
			t.Error("a reader writes")
		}
		if v.Position() != head {
			t.Errorf("position %v, want %v", v.Position(), head)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
