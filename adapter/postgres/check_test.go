package postgres_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/health"
)

// A server that crashes and comes back under load is seen to do so, while not
// one append is lost, doubled or refused, and nothing stays behind.
func TestCheck_TellsThatTheServerWentAndCameBackUnderLoad(t *testing.T) {
	const interval, timeout = 500 * time.Millisecond, time.Second
	s := startServer(t)
	pool := newPool(t, s.url(), t.Name(), writers+4)
	b := open(t, pool, &postgres.Options{Poll: 50 * time.Millisecond, Patience: patience})
	m := health.New(nil)
	t.Cleanup(func() { _ = m.Close(t.Context()) })
	if _, err := m.Register(health.Check{Name: "events", Kind: "datastore", Checker: b, Interval: interval, Timeout: timeout}); err != nil {
		t.Fatal(err)
	}
	becomes := func(want ...health.Status) time.Duration {
		t.Helper()
		began := time.Now()
		eventually(t, want[0].String(), func() bool {
			for _, w := range want {
				if m.Status() == w {
					return true
				}
			}
			return false
		})
		return time.Since(began).Round(time.Millisecond)
	}
	becomes(health.Healthy)
	store := eventstore.New(b, nil)
	f := follow(t, store)
	l := startLoad(t, store)
	l.until(200)
	before := runtime.NumGoroutine()
	for range 2 {
		s.stop(t, "immediate")
		seen := becomes(health.Degraded, health.Unhealthy)
		confirmed := becomes(health.Unhealthy)
		s.start(t)
		t.Logf("seen after %v, confirmed %v later, well again %v after the start; the interval is %v", seen, confirmed, becomes(health.Healthy), interval)
		l.until(200)
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	f.sawAll(l.end())
	if held := pool.Stat().AcquiredConns(); held > 1 { // one listens
		t.Errorf("%d connections are held", held)
	}
}
