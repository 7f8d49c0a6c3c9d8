package shutdown_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/shutdown"
)

var noSignals = []os.Signal{}

// A journal notes what happened, and when.
type journal struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func (j *journal) note(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%v %s", time.Since(j.start), what))
}

func (j *journal) hook(name string, stage shutdown.Stage, takes time.Duration) shutdown.Hook {
	return shutdown.Hook{Name: name, Stage: stage, Run: func(ctx context.Context) error {
		j.note(name)
		select {
		case <-time.After(takes):
			return nil
		case <-ctx.Done():
			j.note(name + " canceled")
			return context.Cause(ctx)
		}
	}}
}

// stopped returns a context that ends, and with it work, after a second.
func stopped(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestRun_GoesThroughTheStagesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shutdown.New(&shutdown.Options{Signals: noSignals})
		j := &journal{start: time.Now()}
		s.Add(j.hook("database", shutdown.Close, time.Second))
		s.Add(j.hook("traces", shutdown.Flush, 0))
		s.Add(j.hook("calls", shutdown.Drain, 3*time.Second))
		s.Add(j.hook("streams", shutdown.Drain, 2*time.Second))
		s.Add(j.hook("cache", shutdown.Close, 0))
		s.Add(j.hook("readiness", shutdown.Unready, 0))
		err := s.Run(stopped(t), func(ctx context.Context) error {
			<-ctx.Done()
			j.note("work told")
			return ctx.Err()
		})
		if err != nil {
			t.Error(err)
		}
		slices.Sort(j.lines[1:4]) // at the same time
		want := []string{
			"1s readiness",
			"6s calls", "6s streams", "6s work told",
			"9s cache", "9s database", "10s traces",
		}
		if !slices.Equal(j.lines, want) {
			t.Errorf("got  %q\nwant %q", j.lines, want)
		}
	})
}

func TestRun_CancelsAtTheDrainDeadlineAndClosesAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shutdown.New(&shutdown.Options{Signals: noSignals, Wait: -1, Drain: 4 * time.Second})
		j := &journal{start: time.Now()}
		s.Add(j.hook("database", shutdown.Close, 0))
		s.Add(j.hook("calls", shutdown.Drain, time.Hour))
		err := s.Run(stopped(t), nil)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `drain "calls"`) {
			t.Errorf("error %v", err)
		}
		if want := []string{"1s calls", "5s calls canceled", "5s database"}; !slices.Equal(j.lines, want) {
			t.Errorf("got %q", j.lines)
		}
	})
}

func TestRun_LeavesHungHooksBehindAndKeepsToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shutdown.New(&shutdown.Options{Signals: noSignals, Wait: time.Second, Drain: time.Second})
		j := &journal{start: time.Now()}
		forever := make(chan struct{})
		defer close(forever)
		for _, stage := range []shutdown.Stage{shutdown.Unready, shutdown.Drain, shutdown.Close, shutdown.Flush} {
			for i := range 3 {
				s.Add(shutdown.Hook{
					Name: fmt.Sprintf("hung %d", i), Stage: stage, Timeout: time.Duration(i+1) * time.Second,
					Run: func(context.Context) error { <-forever; return nil },
				})
			}
		}
		s.Add(j.hook("first", shutdown.Close, 0))
		s.Add(j.hook("last", shutdown.Flush, 0))
		limit := s.Limit()
		if want := 2*time.Second + 2*(1+2+3)*time.Second + 2*2*time.Second; limit != want {
			t.Errorf("limit %v, want %v", limit, want)
		}
		ctx := stopped(t)
		<-ctx.Done()
		began := time.Now()
		err := s.Run(ctx, nil)
		if took := time.Since(began); took > limit+100*time.Millisecond {
			t.Errorf("took %v with a limit of %v", took, limit)
		}
		if n := strings.Count(fmt.Sprint(err), "left behind"); n != 12 {
			t.Errorf("%d hooks were left behind: %v", n, err)
		}
		if len(j.lines) != 2 {
			t.Errorf("the sound hooks did not run: %q", j.lines)
		}
	})
}

func TestRun_LeavesHungWorkBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shutdown.New(&shutdown.Options{Signals: noSignals, Wait: -1, Drain: time.Second})
		forever := make(chan struct{})
		defer close(forever)
		ctx := stopped(t)
		err := s.Run(ctx, func(context.Context) error { <-forever; return nil })
		if err == nil || !strings.Contains(err.Error(), "work: hangs") {
			t.Errorf("error %v", err)
		}
	})
}

func TestRun_APanicIsAnErrorAndNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := shutdown.New(&shutdown.Options{Signals: noSignals, Wait: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		j := &journal{start: time.Now()}
		s.Add(j.hook("database", shutdown.Close, 0))
		for _, stage := range []shutdown.Stage{shutdown.Unready, shutdown.Drain, shutdown.Close, shutdown.Flush} {
			s.Add(shutdown.Hook{Name: "bad", Stage: stage, Run: func(context.Context) error { panic("boom") }})
		}
		err := s.Run(t.Context(), func(context.Context) error { panic("worse") })
		for _, want := range []string{"worse", `unready "bad"`, `drain "bad"`, `close "bad"`, `flush "bad"`, "panicked: boom"} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("no %q in %v", want, err)
			}
		}
		if len(j.lines) != 1 {
			t.Errorf("the sound hook did not run: %q", j.lines)
		}
		if !strings.Contains(log.String(), "sequence_test.go") {
			t.Errorf("no stack in the log: %s", &log)
		}
	})
}

func TestRun_WorkAndHooksThatEndTheirGoroutinesHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shutdown.New(&shutdown.Options{Signals: noSignals})
		s.Add(shutdown.Hook{Name: "bad", Run: func(context.Context) error { runtime.Goexit(); return nil }})
		start := time.Now()
		err := s.Run(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
		if took := time.Since(start); strings.Count(fmt.Sprint(err), "without returning") != 2 || took != 0 {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestRun_JoinsAndNamesErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, third := errors.New("disk full"), errors.New("gone"), errors.New("cannot listen")
		s := shutdown.New(&shutdown.Options{Signals: noSignals})
		s.Add(shutdown.Hook{Name: "database", Run: func(context.Context) error { return first }})
		s.Add(shutdown.Hook{Name: "traces", Stage: shutdown.Flush, Run: func(context.Context) error { return second }})
		began := time.Now()
		err := s.Run(t.Context(), func(context.Context) error { return third })
		if !errors.Is(err, first) || !errors.Is(err, second) || !errors.Is(err, third) {
			t.Errorf("error %v", err)
		}
		if want := "cannot listen\nclose \"database\": disk full\nflush \"traces\": gone"; err.Error() != want {
			t.Errorf("got %q", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v though the work had ended", took)
		}
		if code := shutdown.ExitCode(err); code != 1 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestRun_AStopBeforeTheStartServesNothingAndClosesAll(t *testing.T) {
	s := shutdown.New(&shutdown.Options{Signals: noSignals})
	closed := false
	s.Add(shutdown.Hook{Name: "database", Run: func(context.Context) error { closed = true; return nil }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx, func(context.Context) error { t.Error("worked"); return nil }); err != nil {
		t.Error(err)
	}
	if !closed {
		t.Error("nothing was closed")
	}
	if err := s.Run(t.Context(), nil); err == nil {
		t.Error("it ran twice")
	}
}

func TestAdd_TakesBackAndTakesLateOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shutdown.New(&shutdown.Options{Signals: noSignals, Wait: -1})
		j := &journal{start: time.Now()}
		remove := s.Add(j.hook("removed", shutdown.Close, 0))
		s.Add(shutdown.Hook{Name: "adds", Run: func(context.Context) error {
			s.Add(j.hook("late", shutdown.Close, 0))
			s.Add(j.hook("too late", shutdown.Drain, 0))
			return nil
		}})
		remove()
		remove()
		if err := s.Run(stopped(t), nil); err != nil {
			t.Error(err)
		}
		s.Add(j.hook("after", shutdown.Flush, 0))
		if want := []string{"1s late"}; !slices.Equal(j.lines, want) {
			t.Errorf("got %q", j.lines)
		}
	})
}

func TestAdd_IsSafeWhileItRuns(t *testing.T) {
	s := shutdown.New(&shutdown.Options{Signals: noSignals, Wait: -1})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				remove := s.Add(shutdown.Hook{Name: "h", Run: func(context.Context) error { return nil }})
				_ = s.Limit()
				remove()
			}
		})
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, nil) }()
	cancel()
	all.Wait()
	<-s.Begun()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
