package ratelimit

import "unsafe"

// Base is what times are measured from.
var Base = base

// TryHold locks the budget of key in an exact window, if nobody has.
func TryHold(l *Local, key string) (release func(), ok bool) {
	t := l.store.(*table[windowLog])
	mu := &t.shard(t.id(key)).mu
	return mu.Unlock, mu.TryLock()
}

// SlotSizes are the sizes of the slots of windows and counters, in bytes.
func SlotSizes() (window, counts uintptr) {
	return unsafe.Sizeof(slot[windowLog]{}), unsafe.Sizeof(slot[counter]{})
}
