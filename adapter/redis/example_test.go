package redis_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// One limit for each caller, and one for all, which no call passes unseen.
func ExampleNewLimits() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}, ForceSingleClient: true})
	if client == nil { // err alone says that Redis is gone now
		fmt.Println(err)
		return
	}
	defer client.Close()
	shared, err := redis.NewLimits(client, &redis.LimitOptions{Prefix: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	principal := func(context.Context) string { return "ann" } // with Trestle's auth: that of the call
	_, err = ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
		{Name: "caller", Key: ratelimit.By(principal), Limiter: shared.SlidingWindow("caller", 100, time.Second)},
		{Name: "all", Limiter: shared.GCRA("all", 5000, time.Second, 10_000).WithFailure(redis.Deny())},
	}})
	fmt.Println(err)
	// Output: <nil>
}

// There is no Redis, so each process has a tenth.
func ExampleLimiter_WithFailure() {
	client, _ := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:1"}, ForceSingleClient: true})
	if client == nil {
		return
	}
	defer client.Close()
	shared, err := redis.NewLimits(client, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	reads := shared.SlidingWindow("reads", 20, time.Minute)
	transfers := shared.SlidingWindow("transfers", 20, time.Minute).WithFailure(redis.Deny())
	for range 3 {
		d, err := reads.Allow(context.Background(), "ann", 1)
		fmt.Println(d.Allowed, d.Remaining, err)
	}
	_, err = transfers.Allow(context.Background(), "ann", 1)
	fmt.Println(err)
	fmt.Println(shared.Fallbacks(), "decisions without Redis")
	// Output:
	// true 1 <nil>
	// true 0 <nil>
	// false 0 <nil>
	// unavailable: the limits cannot be checked now, retry shortly
	// 4 decisions without Redis
}
