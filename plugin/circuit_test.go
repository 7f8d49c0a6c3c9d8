package plugin_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/plugin"
)

// panicking returns a plugin whose tool panics while *ill.
func panicking(name string, ill *bool, requires ...plugin.Requirement) *part {
	return &part{name: name, version: "1.0.0", requires: requires, register: func(r *plugin.Registrar) error {
		return add(r, name, func(context.Context) (string, error) {
			if *ill {
				panic("oh no")
			}
			return "well", nil
		})
	}}
}

func calls(t *testing.T, h *table, name string, times int) {
	t.Helper()
	for range times {
		_, _ = h.call(t.Context(), name)
	}
	synctest.Wait()
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestCircuit_OpensAfterRepeatedPanicsAndIsTriedAgainWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{})
		ill := true
		must(t, m.Register(t.Context(), panicking("p", &ill), panicking("user", new(bool), on("p", "")), panicking("other", new(bool))))
		calls(t, h, "p", 2)
		if stateOf(m, "p") != plugin.Enabled {
			t.Fatal("after two panics:", stateOf(m, "p"))
		}
		pass(time.Minute) // the first two are forgotten
		calls(t, h, "p", 2)
		if stateOf(m, "p") != plugin.Enabled {
			t.Fatal("after two in a minute:", stateOf(m, "p"))
		}
		calls(t, h, "p", 1)
		s, _ := m.Status("p")
		if s.State != plugin.Tripped || !strings.Contains(s.Reason, `3 faults within 1m0s, the last: panic in tool "p"`) || s.Panics != 5 {
			t.Errorf("%+v", s)
		}
		if stateOf(m, "user") != plugin.Waiting || h.names() != "other" {
			t.Error(stateOf(m, "user"), h.names())
		}
		err := m.Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), `plugin "p": tripped`) || !strings.Contains(err.Error(), `plugin "user": waiting`) {
			t.Error(err)
		}
		// Now it is tried after 1, 2, 4 seconds…, for one more panic trips it again.
		for wait := time.Second; wait <= 8*time.Second; wait *= 2 {
			s, _ := m.Status("p")
			if got := time.Until(s.RetryAt); got != wait {
				t.Errorf("it is tried again in %v, not %v", got, wait)
			}
			pass(wait)
			if stateOf(m, "p") != plugin.Enabled || stateOf(m, "user") != plugin.Enabled {
				t.Fatal(stateOf(m, "p"), stateOf(m, "user"))
			}
			calls(t, h, "p", 1)
			if stateOf(m, "p") != plugin.Tripped {
				t.Fatal(stateOf(m, "p"))
			}
		}
		ill = false
		pass(16 * time.Second)
		if text, err := h.call(t.Context(), "p"); text != "well" || err != nil || h.names() != "other p user" {
			t.Error(text, err, h.names())
		}
		must(t, m.Check(t.Context()))
		pass(time.Minute) // well for long enough
		ill = true
		calls(t, h, "p", 2)
		if stateOf(m, "p") != plugin.Enabled {
			t.Error("it is still on probation")
		}
		if s := m.Stats(); s.Trips != 5 || s.Retries != 5 || s.Panics != 11 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCircuit_KeepsTryingWhatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{MaxPanics: 1, MaxBackoff: 3 * time.Second})
		var mended atomic.Bool
		var starts atomic.Int64
		ill := true
		p := panicking("p", &ill)
		p.start = func(context.Context) error {
			if starts.Add(1) > 1 && !mended.Load() {
				panic("still")
			}
			return nil
		}
		must(t, m.Register(t.Context(), p))
		calls(t, h, "p", 1)
		pass(time.Second + 2*time.Second + 3*time.Second)
		if s, _ := m.Status("p"); starts.Load() != 4 || s.State != plugin.Tripped || !strings.Contains(s.Reason, "panic in Start: still") || time.Until(s.RetryAt) != 3*time.Second {
			t.Errorf("%d starts, %+v", starts.Load(), s)
		}
		mended.Store(true)
		pass(3 * time.Second)
		if stateOf(m, "p") != plugin.Enabled {
			t.Error(stateOf(m, "p"))
		}
	})
}

func TestCircuit_ObeysTheOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{MaxPanics: 1})
		ill := true
		trip := func() {
			t.Helper()
			calls(t, h, "p", 1)
			if stateOf(m, "p") != plugin.Tripped || stateOf(m, "user") != plugin.Waiting {
				t.Fatal(stateOf(m, "p"), stateOf(m, "user"))
			}
		}
		must(t, m.Register(t.Context(), panicking("p", &ill), panicking("user", new(bool), on("p", ""))))
		trip()
		must(t, m.Enable(t.Context(), "p")) // at once
		if stateOf(m, "p") != plugin.Enabled || stateOf(m, "user") != plugin.Enabled {
			t.Error(stateOf(m, "p"), stateOf(m, "user"))
		}
		trip()
		well := false
		must(t, m.Replace(t.Context(), panicking("p", &well))) // mended
		if text, err := h.call(t.Context(), "p"); text != "well" || err != nil || stateOf(m, "user") != plugin.Enabled {
			t.Error(text, err, stateOf(m, "user"))
		}
		well = true
		trip()
		must(t, m.Disable(t.Context(), "p", "for good", plugin.Cascade))
		pass(time.Hour)
		if stateOf(m, "p") != plugin.Disabled || stateOf(m, "user") != plugin.Disabled {
			t.Error("it is tried again:", stateOf(m, "p"), stateOf(m, "user"))
		}
	})
}

func TestCircuit_CountsChecksThatPanicOrHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, plugin.Options{MaxPanics: 2})
		leave := make(chan struct{})
		defer close(leave)
		must(t, m.Register(t.Context(),
			&part{name: "a", version: "1.0.0", check: func(context.Context) error { panic("oh no") }},
			&part{name: "b", version: "1.0.0", check: func(context.Context) error { return errors.New("merely unwell") }}))
		for range 3 {
			if m.Check(t.Context()) == nil {
				t.Error("well")
			}
			synctest.Wait()
		}
		if stateOf(m, "a") != plugin.Tripped || stateOf(m, "b") != plugin.Enabled {
			t.Error(stateOf(m, "a"), stateOf(m, "b"))
		}
	})
}

// What waits for a plugin that tripped is started after it, and the manager may be
// closed meanwhile.
func TestCircuit_ClosingEndsWakingOfWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{MaxPanics: 1})
		ill := true
		user := panicking("user", new(bool), on("p", ""))
		starts := 0
		user.start = func(ctx context.Context) error {
			if starts++; starts == 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		must(t, m.Register(t.Context(), panicking("p", &ill), user))
		calls(t, h, "p", 1)
		ill = false
		pass(time.Second)
		if starts != 2 || stateOf(m, "user") != plugin.Waiting {
			t.Fatal(starts, stateOf(m, "user"))
		}
		must(t, m.Close(t.Context()))
		if starts != 2 || len(m.List()) != 0 {
			t.Error(starts, m.List())
		}
	})
}

func TestReplace_OfWhatWaitsByWhatNeedNotIsStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{MaxPanics: 1, MinBackoff: time.Hour, MaxBackoff: time.Hour})
		ill := true
		must(t, m.Register(t.Context(), panicking("p", &ill), panicking("user", new(bool), on("p", ""))))
		calls(t, h, "p", 1)
		must(t, m.Replace(t.Context(), panicking("user", new(bool), on("p", ""))))
		if stateOf(m, "user") != plugin.Waiting {
			t.Error("it still needs the other:", stateOf(m, "user"))
		}
		must(t, m.Replace(t.Context(), panicking("user", new(bool))))
		if text, err := h.call(t.Context(), "user"); text != "well" || err != nil || stateOf(m, "user") != plugin.Enabled {
			t.Error(text, err, stateOf(m, "user"))
		}
	})
}
