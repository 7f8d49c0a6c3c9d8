package health_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/health"
)

// A subject is what a check asks: it works, or says what is wrong.
type subject struct {
	wrong atomic.Pointer[error]
	asked atomic.Int64
}

func (s *subject) set(err error) { s.wrong.Store(&err) }

func (s *subject) Check(context.Context) error {
	s.asked.Add(1)
	if err := s.wrong.Load(); err != nil {
		return *err
	}
	return nil
}

// newMonitor returns a monitor that ends with the test, inside its bubble.
func newMonitor(t *testing.T, o *health.Options) *health.Monitor {
	t.Helper()
	m := health.New(o)
	t.Cleanup(func() {
		if err := m.Close(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return m
}

func register(t *testing.T, m *health.Monitor, c health.Check) (remove func()) {
	t.Helper()
	remove, err := m.Register(c)
	if err != nil {
		t.Fatal(err)
	}
	return remove
}

func want(t *testing.T, m *health.Monitor, status health.Status) {
	t.Helper()
	synctest.Wait()
	if got := m.Status(); got != status {
		t.Errorf("%v, want %v: %+v", got, status, m.Report())
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

var errDown = errors.New("connection refused")

// becomes waits for a status, which must come within d.
func becomes(t *testing.T, m *health.Monitor, status health.Status, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); m.Status() != status && time.Now().Before(end); {
		pass(10 * time.Millisecond)
		synctest.Wait()
	}
	want(t, m, status)
}

func TestMonitor_ConfirmsAChangeBeforeItTellsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		db := &subject{}
		register(t, m, health.Check{Name: "db", Checker: db})
		want(t, m, health.Healthy)
		const all, soon = health.DefaultInterval, health.DefaultInterval / 4
		db.set(errDown)
		becomes(t, m, health.Degraded, all) // seen within the interval
		becomes(t, m, health.Unhealthy, soon)
		db.set(nil)
		asked := db.asked.Load()
		becomes(t, m, health.Healthy, all+soon)
		if n := db.asked.Load() - asked; n != 2 {
			t.Errorf("recovered after %d checks", n)
		}
		db.set(errDown)
		becomes(t, m, health.Degraded, all)
		db.set(nil)
		becomes(t, m, health.Healthy, soon) // it was a hiccup
	})
}

func TestMonitor_OptionalAndWarningChecksOnlyDegrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		cache, disk := &subject{}, &subject{}
		cache.set(errDown)
		register(t, m, health.Check{Name: "cache", Checker: cache, Optional: true, FailAfter: 1})
		want(t, m, health.Degraded)
		if !m.Started() {
			t.Error("an optional check keeps the start")
		}
		cache.set(nil)
		pass(health.DefaultInterval)
		want(t, m, health.Healthy)
		disk.set(health.Warn(errors.New("disk at 91 %")))
		register(t, m, health.Check{Name: "disk", Checker: disk, FailAfter: 1})
		pass(5 * health.DefaultInterval)
		want(t, m, health.Degraded)
		if !m.Started() {
			t.Error("a warning keeps the start")
		}
	})
	if health.Warn(nil) != nil {
		t.Error("a warning of nothing")
	}
}

func TestMonitor_AHungCheckIsUnhealthyByAgeOnOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		var hang atomic.Bool
		var running, most atomic.Int64
		release := make(chan struct{})
		register(t, m, health.Check{Name: "db", Checker: health.Func(func(context.Context) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			if hang.Load() {
				<-release // whatever the context says
			}
			return nil
		})})
		want(t, m, health.Healthy)
		before := runtime.NumGoroutine()
		hang.Store(true)
		pass(health.DefaultInterval + 2*health.DefaultTimeout)
		want(t, m, health.Unhealthy)
		if out := m.Report().Checks[0].Output; !strings.Contains(out, "hung") {
			t.Errorf("output %q", out)
		}
		pass(time.Hour)
		want(t, m, health.Unhealthy)
		// In an hour there were some hundred occasions for one more.
		if most.Load() != 1 || runtime.NumGoroutine() > before+10 {
			t.Errorf("%d checks ran at once, %d goroutines instead of %d", most.Load(), runtime.NumGoroutine(), before)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Close(ctx); err == nil || !strings.Contains(err.Error(), `"db"`) {
			t.Errorf("Close with a hung check: %v", err)
		}
		close(release)
	})
}

func TestMonitor_AHungCheckThatReturnsRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		first := true
		register(t, m, health.Check{Name: "db", Checker: health.Func(func(context.Context) error {
			if first {
				first = false
				pass(time.Minute)
			}
			return nil
		})})
		pass(time.Minute - time.Nanosecond)
		want(t, m, health.Unhealthy)
		pass(time.Nanosecond)
		want(t, m, health.Healthy)
	})
}

func TestMonitor_TimeoutsAndPanicsAreFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		register(t, m, health.Check{Name: "slow", Checker: health.Func(func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("dialing: %w", ctx.Err())
		})})
		register(t, m, health.Check{Name: "bad", Checker: health.Func(func(context.Context) error { panic("boom") })})
		pass(health.DefaultTimeout)
		want(t, m, health.Unhealthy)
		checks := m.Report().Checks
		if checks[0].Output != "the check panicked: boom" || checks[1].Output != "no answer within 2s" {
			t.Errorf("%q and %q", checks[0].Output, checks[1].Output)
		}
	})
}

func TestMonitor_StartIsLatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		db, queue := &subject{}, &subject{}
		db.set(errDown)
		queue.set(errDown)
		register(t, m, health.Check{Name: "db", Checker: db})
		register(t, m, health.Check{Name: "queue", Checker: queue})
		want(t, m, health.Unhealthy)
		if m.Started() {
			t.Error("started with all down")
		}
		db.set(nil)
		pass(health.DefaultInterval / 4) // sooner than later, until the first success
		synctest.Wait()
		if m.Started() {
			t.Error("started with one down")
		}
		queue.set(nil)
		pass(health.DefaultInterval / 4)
		want(t, m, health.Healthy)
		if !m.Started() {
			t.Error("not started")
		}
		db.set(errDown)
		pass(time.Minute)
		want(t, m, health.Unhealthy)
		register(t, m, health.Check{Name: "late", Checker: queue})
		if !m.Started() {
			t.Error("the start was taken back")
		}
	})
}

func TestMonitor_DrainMakesUnreadyForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		register(t, m, health.Check{Name: "db", Checker: &subject{}})
		want(t, m, health.Healthy)
		m.Drain()
		pass(time.Hour)
		want(t, m, health.Unhealthy)
		if !m.Draining() || !m.Report().Draining {
			t.Error("it does not say that it drains")
		}
	})
}

func TestMonitor_RegistersAndRemovesWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		want(t, m, health.Healthy)
		db := &subject{}
		db.set(errDown)
		remove := register(t, m, health.Check{Name: "db", Checker: db})
		if m.Status() != health.Unhealthy {
			t.Error("ready before the first check")
		}
		if _, err := m.Register(health.Check{Name: "db", Checker: db}); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("the name was given twice: %v", err)
		}
		want(t, m, health.Unhealthy)
		remove()
		remove()
		want(t, m, health.Healthy)
		asked := db.asked.Load()
		pass(time.Hour)
		if db.asked.Load() != asked {
			t.Error("a removed check is asked")
		}
		register(t, m, health.Check{Name: "db", Checker: db})
		remove() // is not the one of this
		want(t, m, health.Unhealthy)
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := m.Register(health.Check{Name: "late", Checker: db}); err == nil {
			t.Error("registered after Close")
		}
	})
}

func TestRegister_NamesEveryMistake(t *testing.T) {
	_, err := health.New(nil).Register(health.Check{Name: "a:b", Interval: -1, Timeout: -1, FailAfter: -1})
	for _, want := range []string{"colon", "Checker", "Interval", "Timeout", "FailAfter"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := health.New(nil).Register(health.Check{}); err == nil || !strings.Contains(err.Error(), "Name: missing") {
		t.Errorf("error %v", err)
	}
}

func TestMonitor_LogsChangesWithoutSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := newMonitor(t, &health.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		db := &subject{}
		register(t, m, health.Check{Name: "db", Checker: db})
		want(t, m, health.Healthy)
		db.set(errors.New("dial postgres://me:hunter2@db: refused"))
		pass(2 * health.DefaultInterval)
		want(t, m, health.Unhealthy)
		text := log.String()
		if strings.Count(text, "\n") != 3 || !strings.Contains(text, "from=degraded to=unhealthy") || strings.Contains(text, "hunter2") {
			t.Errorf("log:\n%s", text)
		}
	})
}

func TestMonitor_IsSafeForConcurrentUse(t *testing.T) {
	m := newMonitor(t, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				remove, err := m.Register(health.Check{
					Name: fmt.Sprint("check ", i), Checker: &subject{}, Interval: time.Microsecond, Timeout: time.Second,
				})
				if err != nil {
					t.Error(err)
					return
				}
				_, _, _ = m.Status(), m.Started(), m.JSON()
				remove()
			}
		})
	}
	all.Wait()
	if m.Status() != health.Healthy || !m.Started() {
		t.Error("not healthy without any check")
	}
}
