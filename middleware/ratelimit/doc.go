// Package ratelimit limits how often callers may call, as a middleware with
// rules, or by hand with the limiters behind them.
//
//	limits, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
//		{Name: "caller", Key: ratelimit.By(principal), Limiter: ratelimit.SlidingWindow(100, time.Second)},
//		{Name: "report", Key: ratelimit.By(principal), Limiter: ratelimit.SlidingWindow(2, time.Hour), Tools: []string{"report"}},
//		{Name: "all", Limiter: ratelimit.TokenBucket(5000, time.Second, 10_000)},
//	}})
//
// A [Rule] says which calls it is about, whose budget they take from (the
// caller's, a tenant's, a tool's, a method's, or one for all) and what they cost.
// A call takes from all rules that are about it or from none, and what is
// reported is the tightest of them. A refusal takes nothing.
//
// There are three local limiters. [SlidingWindow] is exact: never more than the
// limit within any window, for any arrivals, at 8 bytes for each call in it.
// [SlidingCounter] takes 16 bytes for any limit, and can be wrong by what its
// document says. [TokenBucket] is golang.org/x/time/rate for each key. A window
// is half open: what was allowed at t is out of it at t plus its length.
//
// Each keeps a bounded number of keys. A key goes only when nothing of its
// budget is used; keys without room share budgets; nobody gains by either. Time
// is monotonic. A decision allocates nothing but the budget of a new key and
// the growth of a log, and its callers wait for others only if their keys share
// one of 64 locks; a rule with one budget for all is one lock for all.
//
// A refused call is a rate_limited error: over HTTP 429 with Retry-After in
// seconds rounded up, and everywhere retryAfterMs in its data. A call that costs
// more than its limit is a validation error, as waiting would not help. A
// limiter that cannot decide, such as one in another process, is unavailable.
//
// All of it is safe for concurrent use, and nothing has to be closed.
package ratelimit
