package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trestle-mcp/trestle/internal/era"
)

// A run is one plan at one target.
type run struct {
	target Target
	plan   Plan
	wheel  []int
	http   *http.Transport

	next  atomic.Int64   // number of the next call
	kinds []atomic.Int64 // number of the next call of each kind

	mu    sync.Mutex
	total books
	now   books // of this second
	past  []Second
}

func newRun(t Target, p Plan) *run {
	if t.Version == "" {
		t.Version = era.FirstModern
	}
	return &run{
		target: t, plan: p, wheel: p.wheel(), kinds: make([]atomic.Int64, len(p.Mix)),
		http: &http.Transport{MaxIdleConnsPerHost: p.Clients, MaxConnsPerHost: p.Clients, DisableCompression: true},
	}
}

// through returns what requests go through.
func (r *run) through() http.RoundTripper {
	if r.target.Through == nil {
		return r.http
	}
	return r.target.Through(r.http)
}

func (r *run) all(ctx context.Context) (*Report, error) {
	clients := make([]*client, r.plan.Clients)
	for i := range clients {
		c, err := r.connect(ctx)
		if err != nil {
			return nil, fmt.Errorf("load: connecting to %s: %w", r.target.URL, err)
		}
		clients[i] = c
		defer c.close()
	}
	if r.plan.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.plan.Duration)
		defer cancel()
	}
	began := time.Now()
	var callers, watcher sync.WaitGroup
	for _, c := range clients {
		callers.Go(func() { r.call(ctx, c, began) })
	}
	ended := make(chan struct{})
	watcher.Go(func() { r.watch(began, ended) })
	callers.Wait()
	elapsed := time.Since(began)
	close(ended)
	watcher.Wait()
	report := r.report(elapsed)
	if r.plan.Progress != nil {
		r.plan.Progress(report)
	}
	return report, nil
}

// call has one client call until the plan or ctx ends. A call that has begun is
// waited for.
func (r *run) call(ctx context.Context, c *client, began time.Time) {
	for ctx.Err() == nil {
		n := r.next.Add(1) - 1
		if r.plan.Calls > 0 && n >= int64(r.plan.Calls) {
			return
		}
		due := time.Now()
		if r.plan.Rate > 0 {
			due = began.Add(time.Duration(float64(n) / r.plan.Rate * float64(time.Second)))
			if !until(ctx, due) {
				return
			}
		}
		kind := r.wheel[n%int64(len(r.wheel))]
		err := c.call(r.plan.Mix[kind], int(r.kinds[kind].Add(1)-1))
		code, message := classify(err)
		r.note(time.Since(due), code, message)
	}
}

// until waits for a moment; it reports false if ctx ended before.
func until(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *run) note(d time.Duration, code, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.note(d, code, message)
}

// watch closes the books of each second.
func (r *run) watch(began time.Time, ended <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			report := r.report(time.Since(began))
			if r.plan.Progress != nil {
				r.plan.Progress(report)
			}
		}
	}
}

// report closes the books of this second, and returns all so far.
func (r *run) report(elapsed time.Duration) *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now.latency.n > 0 || len(r.past) > 0 {
		r.past = append(r.past, r.now.second())
	}
	r.total.merge(&r.now)
	r.now = books{}
	report := r.total.report(elapsed)
	report.Seconds = append([]Second(nil), r.past...)
	report.Clients, report.Version = r.plan.Clients, r.target.Version
	return report
}

var errTimeout = errors.New("no answer in time")
