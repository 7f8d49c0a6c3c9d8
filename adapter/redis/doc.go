// Package redis keeps in Redis what the replicas of a server share: the budgets
// of rate limits, and legacy sessions.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"redis:6379"}})
//	shared, err := redis.NewLimits(client, &redis.LimitOptions{Prefix: "calc", Logger: log})
//	limits, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
//		{Name: "caller", Key: ratelimit.By(principal), Limiter: shared.SlidingWindow("caller", 100, time.Second)},
//		{Name: "all", Limiter: shared.GCRA("all", 5000, time.Second, 10_000).WithFailure(redis.Deny())},
//	}})
//	sessions, err := redis.NewSessionStore(client, &redis.SessionOptions{Prefix: "calc"})
//
// The client is rueidis's, one for all uses. It stays the caller's, who closes
// it last. Redis has to be 6.2 or newer, or to speak like it.
//
// # Limits
//
// All rules of a call whose limiters are of one [Limits] are decided about by
// one script, in one round trip: all take or none, and a refusal takes nothing.
// Time is that of Redis. If its clock is set back, a call waits no longer than it
// would have after a burst at that moment, and no window has more than its limit.
// If it is set forward, budgets come back that much earlier, which nobody can
// notice: have it slewed, not stepped.
//
// The budgets of one prefix are in one slot of a cluster. Their keys are digests
// of the names of callers, and end a second after a budget is whole. So there
// are never more than calls were allowed within a window and a second. Give that
// room: with the eviction policy noeviction a full Redis counts as gone, with
// others it forgets what callers have used. A failover forgets the calls that
// the replica had not heard of, as Redis replicates asynchronously.
//
// While Redis is gone each limiter does as its [Failure] says: by default a
// local limiter takes over with a tenth of the limit. The first decisions to
// notice wait for Timeout. From then on one in each Retry asks Redis, till it
// answers; see [LimitOptions]. [Limits.Fallbacks] counts decisions without Redis,
// and the log has a line when it goes and when it is back. The public text of an
// error never says where Redis is; the log does. rueidis.NewClient fails while
// Redis is gone. With ClientOption.ForceSingleClient it returns a client as well,
// so that a server can start without.
//
// # Sessions
//
// [SessionStore] is for transport.Options.SessionStore, which says what moves.
package redis
