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
// it last. It needs Redis 6.2 or newer, or what speaks like it, with
// scripts (EVALSHA) and the commands of lists and strings.
//
// # Limits
//
// All rules of a call whose limiters are of one [Limits] are decided about by one
// script, in one round trip: all take or none, a refusal takes and writes
// nothing. Time is that of Redis. If its clock is set back, a call waits no
// longer than it would have after a burst at that moment, and no window has
// more than its limit. If it is set forward, budgets come back that much earlier,
// which nobody can notice. So have it slewed, not stepped.
//
// The budgets of one prefix are in one slot of a cluster. Their names are digests of
// the keys of callers. A budget ends a second after it is whole again, so there
// are never more than calls were allowed within a window and a second. Give that
// room: the eviction policy noeviction keeps what callers have used; others forget it.
// A full Redis that evicts nothing counts as gone. So does a failover to a replica that has
// not heard of the last calls: those are forgotten, as Redis replicates
// asynchronously.
//
// While Redis is gone each limiter does as its [Failure] says: by default a local
// limiter takes over with a tenth of the limit. The first decisions to notice
// wait for [LimitOptions].Timeout. From then on only one in each
// [LimitOptions].Retry asks Redis, till it answers. [Limits.Fallbacks] counts decisions
// without Redis, and the log has a line when it goes and when it is back. No error says where
// Redis is; the log does. rueidis.NewClient fails while Redis is gone. With
// ClientOption.ForceSingleClient it returns a client as well, so that a server
// can start without.
//
// # Sessions
//
// [SessionStore] is for transport.Options.SessionStore, which says what moves.
package redis
