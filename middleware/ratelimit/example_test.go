package ratelimit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

func ExampleNew() {
	// With Trestle's auth: p, _ := auth.PrincipalFrom(ctx); return p.Key()
	principal := func(context.Context) string { return "ann" }
	limits, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
		{Name: "caller", Key: ratelimit.By(principal), Limiter: ratelimit.SlidingWindow(100, time.Second)},
		{Name: "report", Key: ratelimit.By(principal), Limiter: ratelimit.SlidingWindow(2, time.Hour), Tools: []string{"report"}},
		{Name: "all", Limiter: ratelimit.TokenBucket(5000, time.Second, 10_000)},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := limits(func(context.Context, string, mcp.Request) (mcp.Result, error) { return &mcp.CallToolResult{}, nil })
	for range 3 {
		_, err = handler(context.Background(), "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "report"}})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// rate_limited: too many requests, the limit "report" is 2 in 1h0m0s
}

func ExampleSlidingWindow() {
	mails := ratelimit.SlidingWindow(10, time.Minute)
	d, _ := mails.Allow(context.Background(), "ann", 7)
	fmt.Println(d.Allowed, d.Remaining)
	d, _ = mails.Allow(context.Background(), "ann", 7)
	fmt.Println(d.Allowed, d.Remaining, d.RetryAfter.Round(time.Minute))
	// Output:
	// true 3
	// false 3 1m0s
}

func ExampleAllowAll() {
	minute, day := ratelimit.SlidingWindow(5, time.Minute), ratelimit.SlidingCounter(1000, 24*time.Hour)
	for range 6 {
		d, err := ratelimit.AllowAll(context.Background(), []ratelimit.Charge{
			{Rule: "minute", Limiter: minute, Key: "ann", Cost: 1},
			{Rule: "day", Limiter: day, Key: "ann", Cost: 1},
		})
		if err != nil || !d.Allowed {
			fmt.Println("refused by", d.Rule)
		}
	}
	left, _ := day.Remaining(context.Background(), "ann")
	fmt.Println(left, "left today")
	// Output:
	// refused by minute
	// 995 left today
}
