package ratelimit

// Base is what times are measured from.
var Base = base

// TryHold locks the budget of key in an exact window, if nobody has.
func TryHold(l *Local, key string) (release func(), ok bool) {
	t := l.store.(*table[windowLog])
	mu := &t.shard(t.id(key)).mu
	return mu.Unlock, mu.TryLock()
}
