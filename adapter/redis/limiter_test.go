package redis_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// do returns what a command answers, as text or number.
func do(tb testing.TB, client rueidis.Client, words ...string) string {
	tb.Helper()
	m, err := client.Do(tb.Context(), client.B().Arbitrary(words...).Build()).ToMessage()
	if err != nil && !rueidis.IsRedisNil(err) {
		tb.Fatalf("%v: %v", words, err)
	}
	if n, err := m.AsInt64(); err == nil {
		return strconv.FormatInt(n, 10)
	}
	s, _ := m.ToString()
	return s
}

func TestAllowAll_TakesAllOrNothing(t *testing.T) {
	client := newClocked(t)
	in := patient(t, client)
	const window = virtual
	logs := []*naive{{limit: 5, span: window.Microseconds()}, {limit: 12, span: 3 * window.Microseconds()}}
	charges := []ratelimit.Charge{
		{Rule: "short", Limiter: in.SlidingWindow("short", 5, window), Key: "ann"},
		{Rule: "long", Limiter: in.SlidingWindow("long", 12, 3*window), Key: "all"},
		{Rule: "cells", Limiter: in.GCRA("cells", 1000, virtual, 100_000), Key: "all"},
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		client.pass(r)
		for i := range charges {
			charges[i].Cost = r.IntN(4)
		}
		d, err := ratelimit.AllowAll(t.Context(), charges)
		if err != nil {
			t.Fatal(err)
		}
		now, fits := client.now, true
		for i, n := range logs {
			fits = fits && (charges[i].Cost == 0 || n.used(now)+charges[i].Cost <= n.limit)
		}
		if d.Allowed != fits {
			t.Fatalf("allowed is %v, want %v", d.Allowed, fits)
		}
		least := 1 << 30
		for i, n := range logs {
			for range charges[i].Cost {
				if fits {
					n.times = append(n.times, now)
				}
			}
			least = min(least, n.limit-n.used(now))
		}
		if d.Rule == "cells" || d.Rule == "" || (fits && d.Remaining != least) {
			t.Fatalf("got %s by %q, want %d remaining", sum(d), d.Rule, least)
		}
	}
}

func TestAllowAll_IsOneCommand(t *testing.T) {
	client := &spy{Client: dial(t)}
	in := patient(t, client)
	charges := []ratelimit.Charge{
		{Limiter: in.SlidingWindow("a", 5, time.Minute), Cost: 1},
		{Limiter: in.GCRA("b", 5, time.Minute, 5), Key: "k", Cost: 2},
		{Limiter: ratelimit.SlidingWindow(9, time.Minute), Cost: 1},
	}
	if _, err := ratelimit.AllowAll(t.Context(), charges); err != nil { // this Redis may not have the script
		t.Fatal(err)
	}
	before := client.count()
	for i := range 5 {
		d, err := ratelimit.AllowAll(t.Context(), charges)
		if err != nil || d.Allowed != (i == 0) {
			t.Errorf("call %d: %s, %v", i, sum(d), err)
		}
	}
	if got := client.commands[before:]; !slices.Equal(got, slices.Repeat([]string{"EVALSHA"}, 5)) {
		t.Errorf("five calls sent %q", got)
	}
}

func TestAllowAll_LoadsTheScriptWhereItIsNot(t *testing.T) {
	s := newServer(t)
	client := s.dial()
	w := patient(t, client).SlidingWindow("w", 5, time.Minute)
	allow(t, w, "k", 1)
	do(t, client, "SCRIPT", "FLUSH")
	if d := allow(t, w, "k", 1); d.Remaining != 3 {
		t.Error(sum(d))
	}
}

func TestAllowAll_DecidesTogetherInACluster(t *testing.T) {
	s := newServer(t, "--cluster-enabled", "yes")
	single := s.dial()
	do(t, single, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	eventually(t, func() bool { return strings.Contains(do(t, single, "CLUSTER", "INFO"), "cluster_state:ok") })
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + s.port}})
	if err != nil || client.Mode() != rueidis.ClientModeCluster {
		t.Fatalf("no client of a cluster: %v", err)
	}
	t.Cleanup(client.Close)
	in := limits(t, client, &redis.LimitOptions{Timeout: time.Minute})
	charges := []ratelimit.Charge{
		{Limiter: in.SlidingWindow("caller", 9, time.Hour), Key: "ann", Cost: 1},
		{Limiter: in.GCRA("all", 5, time.Hour, 5), Cost: 1},
	}
	if d, err := ratelimit.AllowAll(t.Context(), charges); err != nil || d.Limit != 5 || d.Remaining != 4 || in.Fallbacks() != 0 {
		t.Errorf("%s, %v, %d fallbacks", sum(d), err, in.Fallbacks())
	}
}

func TestAllowAll_RefusesWhatItCannotDecide(t *testing.T) {
	in, other := limits(t, newGone(t, nil), nil), limits(t, newGone(t, nil), nil)
	a, b, far := in.SlidingWindow("a", 5, time.Minute), in.SlidingWindow("b", 5, time.Minute), other.SlidingWindow("a", 5, time.Minute)
	for name, charges := range map[string][]ratelimit.Charge{
		"other limits":    {{Limiter: a}, {Limiter: far}},
		"one twice":       {{Limiter: a, Key: "x"}, {Limiter: b}, {Limiter: a.WithFailure(redis.Deny()), Key: "y"}},
		"a negative cost": {{Limiter: a}, {Limiter: b, Cost: -1}},
		"a mistake":       {{Limiter: a}, {Limiter: in.SlidingWindow("c", 0, time.Minute), Cost: 1}},
	} {
		if _, err := a.AllowAll(t.Context(), charges); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if in.Fallbacks() != 0 {
		t.Error("mistakes count as fallbacks")
	}
}

func TestLimiter_ARefusalTakesNothing(t *testing.T) {
	client := dial(t)
	in := patient(t, client)
	for _, l := range []ratelimit.Limiter{in.SlidingWindow("w", 2, time.Hour), in.GCRA("g", 2, time.Hour, 2)} {
		allow(t, l, "k", 1)
		before := allow(t, l, "k", 2)
		for range 10 {
			if d := allow(t, l, "k", 2); d.Allowed || d.RetryAfter > before.RetryAfter {
				t.Fatal(sum(d))
			}
		}
		if d := allow(t, l, "k", 1); !d.Allowed || d.Remaining != 0 {
			t.Error(sum(d))
		}
	}
}

func TestLimiter_RefusesForEverWhatNeverFits(t *testing.T) {
	in := patient(t, dial(t))
	w := in.SlidingWindow("w", 100, time.Hour)
	for _, l := range []*redis.Limiter{w, in.GCRA("g", 100, time.Hour, 100)} {
		if d := allow(t, l, "k", 101); d.Allowed || d.RetryAfter != ratelimit.Never || d.Remaining != 100 {
			t.Error(sum(d))
		}
		if d := allow(t, l, "k", 100); !d.Allowed || d.Remaining != 0 {
			t.Error(sum(d))
		}
		if d := allow(t, l, "k", 0); !d.Allowed {
			t.Error(sum(d))
		}
	}
	other := in.SlidingWindow("other", 5, time.Hour)
	d, err := ratelimit.AllowAll(t.Context(), []ratelimit.Charge{{Rule: "w", Limiter: w, Key: "new", Cost: 101}, {Rule: "o", Limiter: other, Cost: 1}})
	if n, _ := other.Remaining(t.Context(), ""); err != nil || d.Rule != "w" || d.RetryAfter != ratelimit.Never || n != 5 {
		t.Errorf("%s by %s, %v, %d of 5 left", sum(d), d.Rule, err, n)
	}
}

func TestLimiter_ManyAtOnceAreOneCall(t *testing.T) {
	w := patient(t, dial(t)).SlidingWindow("w", 1<<16, time.Hour)
	if d := allow(t, w, "k", 1<<16-3); !d.Allowed || d.Remaining != 3 {
		t.Error(sum(d))
	}
	if d := allow(t, w, "k", 4); d.Allowed || d.Remaining != 3 {
		t.Error(sum(d))
	}
}

func TestLimiter_KeysSayNothingAndEnd(t *testing.T) {
	client := dial(t)
	prefix := unique(t, client)
	in := limits(t, client, &redis.LimitOptions{Prefix: prefix, Timeout: time.Minute})
	w, g := in.SlidingWindow("w", 3, 100*time.Millisecond), in.GCRA("g", 3, 100*time.Millisecond, 3)
	hostile := "ann\r\nFLUSHALL {x} * \x00\xff"
	for range 5 { // refusals too
		allow(t, w, hostile, 1)
		allow(t, g, hostile, 1)
	}
	allow(t, w, "unused", 0)
	all := keys(t, client, prefix)
	slices.Sort(all)
	if len(all) != 2 || !strings.HasPrefix(all[0], "{"+prefix+":limits}:g:g:") || !strings.HasPrefix(all[1], "{"+prefix+":limits}:w:w:") {
		t.Fatalf("keys %q", all)
	}
	for _, key := range all {
		if rest := key[strings.LastIndex(key, ":")+1:]; len(rest) != 22 || strings.ContainsAny(rest, " \r\n{}*") {
			t.Errorf("key %q", key)
		}
	}
	if n := do(t, client, "LLEN", all[1]); n != "3" {
		t.Errorf("the log has %s entries", n)
	}
	eventually(t, func() bool { return len(keys(t, client, prefix)) == 0 })
}

func TestLimiter_AClockThatIsSetBackHoldsUpNoLongerThanAWindow(t *testing.T) {
	client := newClocked(t)
	in := patient(t, client)
	for _, l := range []ratelimit.Limiter{in.SlidingWindow("w", 4, virtual), in.GCRA("g", 4, virtual, 4)} {
		for _, earlier := range []int64{0, virtual.Microseconds()} { // what was allowed before the clock was wrong
			key := strconv.FormatInt(earlier, 10)
			allow(t, l, key, 2)
			client.now += 100*virtual.Microseconds() - earlier
			allow(t, l, key, 2)
			client.now -= 100 * virtual.Microseconds()
			if d := allow(t, l, key, 3); d.Allowed || d.RetryAfter > virtual || d.Reset > virtual {
				t.Error(sum(d))
			}
			client.now += virtual.Microseconds() // since the refusal
			if d := allow(t, l, key, 4); !d.Allowed {
				t.Error(sum(d))
			}
			checkLogs(t, client, in, 4)
		}
	}
}

func TestLimiter_AChangedLimitFindsWhatWasUsed(t *testing.T) {
	client := dial(t)
	opts := &redis.LimitOptions{Prefix: unique(t, client), Timeout: time.Minute}
	before, after := limits(t, client, opts), limits(t, client, opts)
	allow(t, before.SlidingWindow("w", 10, time.Hour), "k", 8)
	allow(t, before.GCRA("g", 10, time.Hour, 10), "k", 8)
	if d := allow(t, after.SlidingWindow("w", 5, time.Hour), "k", 1); d.Allowed || d.Remaining != 0 || d.RetryAfter <= 59*time.Minute {
		t.Error(sum(d))
	}
	g := after.GCRA("g", 5, time.Hour, 5) // a fifth is left
	if d := allow(t, g, "k", 2); d.Allowed || d.Remaining != 1 {
		t.Error(sum(d))
	}
	tiny := limits(t, client, opts).GCRA("g", 10, time.Minute, 10) // for which it is more than spent
	if d := allow(t, tiny, "k", 10); d.Allowed || d.Remaining != 0 || d.RetryAfter > time.Minute {
		t.Error(sum(d))
	}
}

func TestLimits_ReportAllMistakes(t *testing.T) {
	_, err := redis.NewLimits(nil, &redis.LimitOptions{Prefix: "{x}", Timeout: -1})
	for _, want := range []string{"no client", `"{x}"`, "-1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	in := limits(t, newGone(t, nil), nil)
	in.SlidingWindow("twin", 1, time.Hour)
	for want, l := range map[string]*redis.Limiter{
		"another":        in.GCRA("twin", 1, time.Hour, 1),
		"its name":       in.SlidingWindow("a b", 1, time.Hour),
		"a limit of 0":   in.SlidingWindow("zero", 0, time.Hour),
		"65537":          in.SlidingWindow("large", 65537, time.Hour),
		"a window of 0s": in.SlidingWindow("short", 1, 0),
		"0 per 1h":       in.GCRA("none", 0, time.Hour, 1),
		"does not fill":  in.GCRA("slow", 1, 365*24*time.Hour, 2),
		"share of 0":     in.SlidingWindow("share", 1, time.Hour).WithFailure(redis.Local(0)),
		"share of 2":     in.GCRA("shares", 1, time.Hour, 1).WithFailure(redis.Local(2)),
	} {
		_, made := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{{Name: "r", Limiter: l}}})
		_, asked := l.Allow(t.Context(), "k", 1)
		for _, err := range []error{l.Err(), made, asked} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
	}
	if in.Fallbacks() != 0 {
		t.Error("Redis was asked")
	}
}

func TestLimiter_RulesInRedisAreOneDecisionOfTheMiddleware(t *testing.T) {
	client := &spy{Client: dial(t)}
	in := patient(t, client)
	caller, all := in.SlidingWindow("caller", 2, time.Hour), in.GCRA("all", 100, time.Hour, 100)
	limited, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{{Name: "caller", Limiter: caller}, {Name: "all", Limiter: all}}})
	if err != nil {
		t.Fatal(err)
	}
	h := limited(nothing)
	for i := range 4 {
		_, err := h(t.Context(), "tools/call", nil)
		if e := mcperrors.From(err); (e == nil) != (i < 2) || (e != nil && (e.Code != mcperrors.RateLimited || e.RetryAfter < 59*time.Minute)) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if n, err := all.Remaining(t.Context(), ""); n != 98 || err != nil {
		t.Errorf("%d left for all, %v", n, err)
	}
	if _, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{{Name: "a", Limiter: caller}, {Name: "b", Limiter: caller}}}); err == nil {
		t.Error("two rules share a limiter")
	}
	var nobody *redis.Limiter
	if nobody.Err() == nil || caller.Joins(nobody) || caller.Joins(ratelimit.SlidingWindow(1, time.Hour)) {
		t.Error("joins what it does not know")
	}
}
