package redis_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// A buffer is one that loggers may write to concurrently.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// gone is a Redis that was never there. Virtual time is enough for it.
type gone struct {
	rueidis.Client
	mu     sync.Mutex
	asked  int
	answer func(ctx context.Context) error
}

func newGone(t *testing.T, answer func(ctx context.Context) error) *gone {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"redis-7.internal:6379"}, ForceSingleClient: true,
		DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			return nil, errors.New("gone")
		},
	})
	if err == nil || client == nil {
		t.Fatalf("got %v, %v", client, err)
	}
	return &gone{Client: client, answer: answer}
}

func (g *gone) Do(ctx context.Context, _ rueidis.Completed) rueidis.RedisResult {
	g.mu.Lock()
	g.asked++
	answer := g.answer
	g.mu.Unlock()
	if answer == nil {
		return rueidis.NewErrorResult(errors.New("dial tcp redis-7.internal:6379: connection refused"))
	}
	return rueidis.NewErrorResult(answer(ctx))
}

func (g *gone) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

func TestFailure_DecidesAsItIsTold(t *testing.T) {
	ctx, client := t.Context(), newGone(t, nil)
	l := limits(t, client, nil)
	for name, limiter := range map[string]*redis.Limiter{
		"window": l.SlidingWindow("w", 100, time.Hour),
		"gcra":   l.GCRA("g", 100, time.Hour, 100),
	} {
		allowed := func(l *redis.Limiter, cost int) (n int) {
			for range 200 {
				if d, err := l.Allow(ctx, "k", cost); err == nil && d.Allowed {
					n++
				}
			}
			return n
		}
		half, deny, open := limiter.WithFailure(redis.Local(0.5)), limiter.WithFailure(redis.Deny()), limiter.WithFailure(redis.Allow())
		if a, b, c, d := allowed(limiter, 1), allowed(half, 1), allowed(deny, 1), allowed(open, 1); a != 10 || b != 50 || c != 0 || d != 200 {
			t.Errorf("%s: by default %d, half %d, deny %d, allow %d", name, a, b, c, d)
		}
		if d := allow(t, limiter, "other", 11); d.Allowed || d.RetryAfter != time.Second {
			t.Errorf("%s: more than the share, and less than the limit: %s", name, sum(d))
		}
		for _, l := range []*redis.Limiter{limiter, deny, open} {
			if d := allow(t, l, "other", 101); d.Allowed || d.RetryAfter != ratelimit.Never {
				t.Errorf("%s: more than the limit: %s", name, sum(d))
			}
		}
	}
	small := l.SlidingWindow("small", 2, time.Hour)
	if a, b := allow(t, small, "k", 1), allow(t, small, "k", 1); !a.Allowed || b.Allowed {
		t.Error("the least share is not 1")
	}
}

func TestFailure_TakesAllOrNothingWithoutRedis(t *testing.T) {
	l := limits(t, newGone(t, nil), nil)
	a, b := l.SlidingWindow("a", 10, time.Hour).WithFailure(redis.Local(0.5)), l.GCRA("b", 2, time.Hour, 2).WithFailure(redis.Local(0.5))
	open, deny := l.SlidingWindow("open", 1, time.Hour).WithFailure(redis.Allow()), l.SlidingWindow("deny", 1, time.Hour).WithFailure(redis.Deny())
	charges := []ratelimit.Charge{{Rule: "open", Limiter: open, Cost: 1}, {Rule: "a", Limiter: a, Cost: 1}, {Rule: "b", Limiter: b, Cost: 1}}
	for i := range 3 {
		d, err := ratelimit.AllowAll(t.Context(), charges)
		if err != nil || d.Allowed != (i == 0) || d.Rule != "b" {
			t.Errorf("call %d: %s by %s, %v", i, sum(d), d.Rule, err)
		}
		slices.Reverse(charges)
	}
	for range 2 {
		two := []ratelimit.Charge{{Rule: "a", Limiter: a}, {Rule: "open", Limiter: open, Cost: 1}}
		if d, err := ratelimit.AllowAll(t.Context(), two); err != nil || !d.Allowed || d.Rule != "open" || d.Remaining != 1 {
			t.Errorf("where the tightest always allows: %s by %s, %v", sum(d), d.Rule, err)
		}
	}
	if n, err := a.Remaining(t.Context(), ""); n != 4 || err != nil {
		t.Errorf("%d left of 5 after one call: %v", n, err)
	}
	charges = append(charges, ratelimit.Charge{Rule: "deny", Limiter: deny, Cost: 1})
	if _, err := ratelimit.AllowAll(t.Context(), charges); mcperrors.CodeOf(err) != mcperrors.Unavailable {
		t.Errorf("one that denies: %v", err)
	}
}

func TestFailure_Threat42_TellsNobodyWhereRedisIs(t *testing.T) {
	l := limits(t, newGone(t, nil), nil).SlidingWindow("w", 1, time.Hour).WithFailure(redis.Deny())
	for range 2 { // asked, and not asked
		_, err := l.Allow(t.Context(), "k", 1)
		e := mcperrors.From(err)
		if e.Code != mcperrors.Unavailable || e.RetryAfter != time.Second || strings.Contains(err.Error()+e.Text(), "redis-7") {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(errors.Unwrap(err).Error(), "redis-7") {
			t.Error("the cause is lost")
		}
	}
}

func TestFailure_ADeadRedisCostsNoMoreThanAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := newGone(t, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		l := limits(t, hangs, nil).SlidingWindow("w", 1000, time.Hour).WithFailure(redis.Allow())
		waited := func() time.Duration {
			began := time.Now()
			allow(t, l, "k", 1)
			return time.Since(began)
		}
		if d := waited(); d != 100*time.Millisecond {
			t.Errorf("the first waited %v", d)
		}
		for range 100 {
			if d := waited(); d != 0 {
				t.Fatalf("another waited %v", d)
			}
		}
		for probe := range 5 {
			<-time.After(time.Second)
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { allow(t, l, "k", 1) })
			}
			wg.Wait()
			if n := hangs.count(); n != probe+2 {
				t.Fatalf("after %d s it was asked %d times", probe+1, n)
			}
		}
	})
}

func TestFailure_AClientThatDoesNotReturnIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		stuck := newGone(t, func(context.Context) error { <-free; return errors.New("late") })
		l := limits(t, stuck, nil).SlidingWindow("w", 10, time.Hour).WithFailure(redis.Allow())
		began := time.Now()
		allow(t, l, "k", 1)
		if d := time.Since(began); d != 100*time.Millisecond {
			t.Errorf("waited %v", d)
		}
		<-time.After(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began = time.Now()
		if _, err := l.Allow(ctx, "k", 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Millisecond {
			t.Errorf("a caller that is gone: %v after %v", err, time.Since(began))
		}
		close(free)
	})
}

func TestFailure_APanicOfTheClientIsOne(t *testing.T) {
	l := limits(t, newGone(t, func(context.Context) error { panic("CANARY") }), nil)
	if d := allow(t, l.SlidingWindow("w", 100, time.Hour), "k", 1); d.Limit != 10 || l.Fallbacks() != 1 {
		t.Errorf("%s, %d fallbacks", sum(d), l.Fallbacks())
	}
}

// Of the calls that fail together one opens the circuit, and one that began
// before says nothing of the Redis that is back.
func TestFailure_IsNewsOnce(t *testing.T) {
	client := &spy{Client: dial(t)}
	var log buffer
	l := limits(t, client, &redis.LimitOptions{
		Prefix: unique(t, client), Timeout: time.Minute, Retry: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	w := l.SlidingWindow("w", 1000, time.Hour)
	enter, leave := make(chan struct{}), make(chan struct{})
	client.with(func(context.Context) error {
		enter <- struct{}{}
		<-leave
		return errors.New("gone")
	})
	var together, late sync.WaitGroup
	for range 5 {
		together.Go(func() { allow(t, w, "k", 1) })
		<-enter
	}
	late.Go(func() { allow(t, w, "k", 1) })
	<-enter
	for range 5 {
		leave <- struct{}{}
	}
	eventually(t, func() bool { return l.Fallbacks() == 5 })
	client.with(nil)
	eventually(t, func() bool { return allow(t, w, "k", 1).Limit == 1000 })
	close(leave)
	together.Wait()
	late.Wait()
	if d := allow(t, w, "k", 1); d.Limit != 1000 {
		t.Errorf("a late failure: %s", sum(d))
	}
	if fails, works := strings.Count(log.String(), "rate limits fail"), strings.Count(log.String(), "work again"); fails != 1 || works != 1 {
		t.Errorf("%s", &log)
	}
}

func TestFailure_WhatTheCallerCancelsIsNoFailure(t *testing.T) {
	client := &spy{Client: dial(t)}
	l := limits(t, client, &redis.LimitOptions{Prefix: unique(t, client), Timeout: time.Minute})
	w := l.SlidingWindow("w", 10, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	client.with(func(detached context.Context) error {
		cancel()
		if detached.Err() != nil {
			t.Error("the client hears of it")
		}
		return nil
	})
	if _, err := w.Allow(ctx, "k", 1); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	client.with(nil)
	if _, err := w.Allow(ctx, "k", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %v", err)
	}
	allow(t, w, "k", 1)
	if l.Fallbacks() != 0 {
		t.Errorf("%d fallbacks", l.Fallbacks())
	}
}

func TestFailure_RedisKilledInMidCallAndBackAgain(t *testing.T) {
	s := newServer(t)
	client := &spy{Client: s.dial()}
	var log buffer
	l := limits(t, client, &redis.LimitOptions{
		Timeout: 500 * time.Millisecond, Retry: 20 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	w := l.SlidingWindow("w", 1000, time.Hour)
	if d := allow(t, w, "k", 1); d.Limit != 1000 || d.Remaining != 999 {
		t.Fatal(sum(d))
	}
	for _, breaks := range []struct{ undo, do func() }{
		{do: s.kill, undo: s.start},
		{do: s.freeze, undo: s.unfreeze},
	} {
		before := l.Fallbacks()
		breaks.do() // the connection is open, the call is sent
		began := time.Now()
		if d := allow(t, w, "k", 1); d.Limit != 100 {
			t.Errorf("gone: %s", sum(d))
		}
		if took := time.Since(began); took > 2*time.Second { // the timeout, on a busy machine
			t.Errorf("the decision took %v", took)
		}
		asked := client.count()
		for range 50 {
			allow(t, w, "k", 0)
		}
		if n := l.Fallbacks() - before; n != 51 || client.count()-asked > 25 {
			t.Errorf("%d fallbacks, %d commands", n, client.count()-asked)
		}
		breaks.undo()
		eventually(t, func() bool { return allow(t, w, "k", 1).Limit == 1000 })
	}
	fails, works := strings.Count(log.String(), "rate limits fail"), strings.Count(log.String(), "work again")
	if fails != 2 || works != 2 || strings.Contains(log.String(), `"k"`) {
		t.Errorf("%s", &log)
	}
}

func TestFailure_StartsWithoutRedis(t *testing.T) {
	s := newServer(t)
	s.kill()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + s.port}, ForceSingleClient: true})
	if err == nil || client == nil {
		t.Fatalf("got %v, %v", client, err)
	}
	t.Cleanup(client.Close)
	w := limits(t, client, &redis.LimitOptions{Retry: 20 * time.Millisecond}).SlidingWindow("w", 100, time.Hour)
	if d := allow(t, w, "k", 1); d.Limit != 10 {
		t.Errorf("without: %s", sum(d))
	}
	s.start()
	eventually(t, func() bool { return allow(t, w, "k", 1).Limit == 100 })
}

func TestFailure_ARedisThatRefusesIsOneThatIsGone(t *testing.T) {
	s := newServer(t)
	client := s.dial()
	w := limits(t, client, &redis.LimitOptions{Retry: 20 * time.Millisecond, Timeout: time.Minute}).SlidingWindow("w", 100, time.Hour)
	set := func(name, value string) {
		t.Helper()
		if err := client.Do(t.Context(), client.B().ConfigSet().ParameterValue().ParameterValue(name, value).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	set("maxmemory", "1") // nothing more can be kept
	if d := allow(t, w, "k", 1); d.Limit != 10 {
		t.Errorf("full: %s", sum(d))
	}
	set("maxmemory", "0")
	eventually(t, func() bool { return allow(t, w, "k", 1).Limit == 100 })
}
