package ratelimit

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// An algorithm decides about one budget, of which S is the state. The zero S
// is a budget that nothing was taken from. All times are those of now.
type algorithm[S any] interface {
	// inspect returns the decision about cost, which is at most the limit,
	// as it stands once cost is taken. It may forget what is past.
	inspect(s *S, now int64, cost int) Decision
	// take takes what inspect allowed.
	take(s *S, now int64, cost int)
	// hold is a take that settle, once, either keeps or undoes.
	hold(s *S, now int64, cost int)
	// settle ends a hold of the time held. It finds s as the hold left it, but
	// for what others did since, or as good as the zero S.
	settle(s *S, now, held int64, cost int, keep bool)
	// idle reports whether s was as good as the zero S at the time now, which
	// may be before the last take: then it was not.
	idle(s *S, now int64) bool
	// inherit makes dst, a zero S, as used up as src; holds count as taken.
	inherit(dst, src *S, now int64)
}

const (
	maxShards    = 64
	keysPerShard = 256 // fewer keys need fewer shards
	sweepStep    = 16  // slots that a new key looks at for keys to remove
	sweepFull    = 256 // slots that it looks at for one, if there is no room
)

// grace is how long a key may be idle if there is room: who comes back soon
// should find it.
const grace = time.Minute

// An id stands for a key: two hashes with secret seeds. Keys themselves are not
// kept, so that their length does not matter, and looking one up touches one
// place in memory less. That two keys have one id is less likely than that the
// memory errs.
type id struct{ hash, check uint64 }

// A table has the budgets of one limiter. It is split into shards by the hash
// of the key, so that callers seldom wait for each other.
type table[S any] struct {
	alg     algorithm[S]
	seeds   [2]maphash.Seed
	shards  []shard[S]
	maxKeys int64
	keys    atomic.Int64
	shared  atomic.Int64 // what keys without a slot took, in calls
}

func newTable[S any](alg algorithm[S], maxKeys int) *table[S] {
	n := 1
	for n < maxShards && n*keysPerShard < maxKeys {
		n *= 2
	}
	return &table[S]{
		alg: alg, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		shards: make([]shard[S], n), maxKeys: int64(maxKeys),
	}
}

// id is never the zero id.
func (t *table[S]) id(key string) id {
	return id{maphash.String(t.seeds[0], key), maphash.String(t.seeds[1], key) | 1}
}

// shard goes by the high bits of the hash; slots go by the low ones.
func (t *table[S]) shard(key id) *shard[S] {
	return &t.shards[int(key.hash>>32)&(len(t.shards)-1)]
}

func (t *table[S]) lock(key id)   { t.shard(key).mu.Lock() }
func (t *table[S]) unlock(key id) { t.shard(key).mu.Unlock() }

// allow is all of it for one charge, which is at most the limit.
func (t *table[S]) allow(key string, cost int) Decision {
	id := t.id(key)
	sh := t.shard(id)
	sh.mu.Lock()
	now := now()
	at := sh.find(id)
	d := t.alg.inspect(sh.state(at), now, cost)
	if d.Allowed && cost > 0 {
		t.take(id, at, now, cost, false)
	}
	sh.mu.Unlock()
	return d
}

// inspect decides about key, which it also tells the slot of. A key without
// one is judged by the overflow: it gets that, or what inherits from it.
// The shard is locked, here and below.
func (t *table[S]) inspect(key id, now int64, cost int) (Decision, int) {
	sh := t.shard(key)
	at := sh.find(key)
	return t.alg.inspect(sh.state(at), now, cost), at
}

// take takes cost for key, in the slot that inspect told, or holds it. It
// reports whether the budget is one that is shared with other keys.
func (t *table[S]) take(key id, at int, now int64, cost int, hold bool) (shared bool) {
	sh := t.shard(key)
	if at == absent {
		if at = t.insert(sh, key, now); at == absent {
			t.shared.Add(1)
		}
	}
	if hold {
		t.alg.hold(sh.state(at), now, cost)
	} else {
		t.alg.take(sh.state(at), now, cost)
	}
	return at == absent
}

// settle ends a hold where it was made. A key that shared a budget may have a
// slot by now; what that inherited stays.
func (t *table[S]) settle(key id, now, held int64, cost int, keep, shared bool) {
	sh := t.shard(key)
	at := absent
	if !shared {
		if at = sh.find(key); at == absent {
			return // it has gone, as nothing of it was used any more
		}
	}
	t.alg.settle(sh.state(at), now, held, cost, keep)
}

func (t *table[S]) counts() (keys, shared int64) { return t.keys.Load(), t.shared.Load() }

// insert gives key a slot if there is room. What the overflow has used counts
// against it: part of that may have been taken for this key.
func (t *table[S]) insert(sh *shard[S], key id, now int64) int {
	t.sweep(sh, now)
	if t.keys.Add(1) > t.maxKeys {
		t.keys.Add(-1)
		return absent
	}
	at := sh.add(key)
	if !t.alg.idle(&sh.overflow, now) {
		t.alg.inherit(sh.state(at), &sh.overflow, now)
	}
	return at
}

// sweep removes idle keys from the next few slots. Each new key looks at more
// slots than it takes, so what is idle goes without anybody's clock.
func (t *table[S]) sweep(sh *shard[S], now int64) {
	full := t.keys.Load() >= t.maxKeys
	if !full {
		now -= int64(grace)
	}
	removed := false
	for n := range min(sweepFull, len(sh.slots)) {
		if n >= sweepStep && (removed || !full) {
			return
		}
		if sh.hand >= len(sh.slots) {
			sh.hand = 0
		}
		if s := &sh.slots[sh.hand]; !s.used() || !t.alg.idle(&s.state, now) {
			sh.hand++
			continue
		}
		sh.remove(sh.hand) // another may have its slot now
		t.keys.Add(-1)
		removed = true
	}
}
