package redis_test

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/adapter/redis"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/transport"
)

// A Redis that is killed and comes back under load is seen to do so, while each
// limiter decides as its Failure says, and nothing stays behind.
func TestCheck_TellsThatRedisWentAndCameBackUnderLoad(t *testing.T) {
	const interval = 500 * time.Millisecond
	s := newServer(t)
	client := s.dial()
	shared := limits(t, client, &redis.LimitOptions{Timeout: 50 * time.Millisecond, Retry: 50 * time.Millisecond})
	sessions, err := redis.NewSessionStore(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := health.New(nil)
	t.Cleanup(func() { _ = m.Close(t.Context()) })
	for name, c := range map[string]health.Checker{"limits": shared, "sessions": sessions} {
		if _, err := m.Register(health.Check{Name: name, Checker: c, Optional: true, Interval: interval, Timeout: interval}); err != nil {
			t.Fatal(err)
		}
	}
	becomes := func(want health.Status) time.Duration {
		t.Helper()
		began := time.Now()
		eventually(t, func() bool { return m.Status() == want })
		return time.Since(began).Round(time.Millisecond)
	}
	becomes(health.Healthy)

	local := shared.SlidingWindow("local", 1000, time.Second)
	deny := shared.SlidingWindow("deny", 1000, time.Second).WithFailure(redis.Deny())
	stop := make(chan struct{})
	var decided, denied atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Redis or not, this one decides.
				if d, err := local.Allow(t.Context(), "caller", 1); err != nil || d.Limit == 0 {
					t.Errorf("local: %+v, %v", d, err)
				}
				// And this one decides only with Redis.
				if _, err := deny.Allow(t.Context(), "caller", 1); err != nil {
					if mcperrors.CodeOf(err) != mcperrors.Unavailable {
						t.Errorf("deny: %v", err)
					}
					denied.Add(1)
				}
				if err := sessions.Delete(t.Context(), "nobody"); errors.Is(err, transport.ErrNoSession) {
					t.Errorf("sessions: %v", err)
				}
				decided.Add(1)
			}
		})
	}
	more := func() {
		t.Helper()
		goal := decided.Load() + 200
		eventually(t, func() bool { return decided.Load() >= goal })
	}
	more()
	before := runtime.NumGoroutine()
	for range 2 {
		s.kill()
		seen := becomes(health.Degraded)
		if !isDecided(t, local) {
			t.Error("the local limiter does not decide")
		}
		s.start()
		t.Logf("seen after %v, well again %v after the start; the interval is %v", seen, becomes(health.Healthy), interval)
		more()
	}
	close(stop)
	all.Wait()
	if denied.Load() == 0 || shared.Fallbacks() == 0 {
		t.Error("nothing was decided without Redis")
	}
	eventually(t, func() bool { return runtime.NumGoroutine() <= before+5 })
}

func isDecided(t *testing.T, l ratelimit.Limiter) bool {
	t.Helper()
	_, err := l.Allow(t.Context(), "another", 1)
	return err == nil
}
