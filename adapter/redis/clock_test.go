package redis_test

import (
	"context"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// A clocked client has the script told the time, instead of asking for it. All
// else is as it is: Redis runs it.
type clocked struct {
	rueidis.Client
	script string
	now    int64 // microseconds
}

func newClocked(t *testing.T) *clocked {
	t.Helper()
	const asks, told = "redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}"
	if strings.Count(redis.Source, asks) != 1 {
		t.Fatal("the script does not ask once for the time")
	}
	return &clocked{dial(t), strings.Replace(redis.Source, asks, told, 1), time.Now().UnixMicro()}
}

func (c *clocked) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	words := cmd.Commands()
	if words[0] != "EVALSHA" {
		return c.Client.Do(ctx, cmd)
	}
	words = append([]string{"EVAL", c.script}, words[2:]...)
	words = append(words, strconv.FormatInt(c.now/1_000_000, 10), strconv.FormatInt(c.now%1_000_000, 10))
	return c.Client.Do(ctx, c.B().Arbitrary(words...).Build())
}

// Real keys expire in real time, so windows are longer than a test.
const virtual = time.Hour

// pass moves the clock: often not at all, or by what is next to a border.
func (c *clocked) pass(r *rand.Rand) int64 {
	w := virtual.Microseconds()
	var d int64
	switch r.IntN(12) {
	case 0:
		d = w
	case 1:
		d = w - 1
	case 2:
		d = r.Int64N(3 * w)
	case 3, 4, 5:
		d = r.Int64N(w / 4)
	}
	c.now += d
	return d
}

// A clock that is set back never lets more pass, and holds nothing up for
// longer than a burst at that moment would have.
func TestLimiter_HoldsTheLimitWhenTheClockIsSetBack(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	client := newClocked(t)
	in := patient(t, client)
	log := &naive{limit: 7, span: virtual.Microseconds()}
	model := &cells{limit: 7, per: virtual.Microseconds(), burst: 7, whole: new(big.Rat)}
	w, g := in.SlidingWindow("w", 7, virtual), in.GCRA("g", 7, virtual, 7)
	now, allowed := client.now, 0
	for range 2000 {
		now += client.pass(r)
		if r.IntN(20) == 0 {
			client.now -= r.Int64N(10 * virtual.Microseconds())
		}
		cost := 1 + r.IntN(3)
		a, b := allow(t, w, "k", cost), allow(t, g, "k", cost)
		if a.Allowed && log.used(now)+cost > log.limit {
			t.Fatalf("window: %d more, where %d are used: %s", cost, log.used(now), sum(a))
		}
		if b.Allowed && !model.fits(now, int64(cost)) {
			t.Fatalf("gcra: %d more, where %d are left: %s", cost, model.remaining(now), sum(b))
		}
		for _, d := range []ratelimit.Decision{a, b} {
			if d.RetryAfter > virtual || d.Reset > virtual || d.Remaining < 0 {
				t.Fatalf("%s, reset %v", sum(d), d.Reset)
			}
		}
		if a.Allowed {
			allowed++
			for range cost {
				log.times = append(log.times, now)
			}
		}
		if b.Allowed {
			model.whole = model.at(now)
			model.whole.Add(model.whole, model.of(int64(cost)))
		}
		if r.IntN(50) == 0 {
			checkLogs(t, client, in, 7)
		}
	}
	if allowed < 200 {
		t.Errorf("only %d were allowed", allowed)
	}
}

// checkLogs looks whether any list is longer than it may be, or missing.
func checkLogs(t *testing.T, client rueidis.Client, in *redis.Limits, most int) {
	t.Helper()
	logs := scan(t.Context(), client, in.Prefix()+"w:*")
	if len(logs) == 0 {
		t.Fatal("no logs")
	}
	for _, key := range logs {
		if n, err := client.Do(t.Context(), client.B().Llen().Key(key).Build()).AsInt64(); err != nil || n > int64(most) {
			t.Fatalf("a log has %d entries, %v", n, err)
		}
	}
}
