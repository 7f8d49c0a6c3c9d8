package ratelimit

import (
	"crypto/sha256"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// An algorithm decides about one budget, of which S is the state. The zero S
// is a budget that nothing was taken from. All times are those of now.
type algorithm[S any] interface {
	// inspect returns the decision about cost, which is at most the limit,
	// as it stands once cost is taken. It may forget what is past.
	inspect(s *S, now int64, cost int) Decision
	// take takes what inspect allowed.
	take(s *S, now int64, cost int)
	// giveBack undoes the take of cost at the time taken, as far as it still counts.
	giveBack(s *S, now, taken int64, cost int)
	// idle reports whether s is as good as the zero S.
	idle(s *S, now int64) bool
	// inherit makes dst, a zero S, as used up as src.
	inherit(dst, src *S, now int64)
}

const (
	maxShards    = 64
	keysPerShard = 256 // fewer keys need fewer shards
	sweepStep    = 8   // entries that a new key looks at for one to replace
	maxKeyLen    = 256 // longer keys are kept as digests
)

// absent is the place of a key without an entry of its own.
const absent = -1

// A table has the budgets of one limiter. It is split into shards by the hash
// of the key, so that callers seldom wait for each other.
type table[S any] struct {
	alg     algorithm[S]
	seed    maphash.Seed
	shards  []shard[S]
	maxKeys int64
	keys    atomic.Int64
	shared  atomic.Int64 // what keys without an entry took, in calls
}

// A shard has entries in no order. A key without one, because the table is
// full, takes from overflow.
type shard[S any] struct {
	mu       sync.Mutex
	index    map[uint64]int32 // of entries, by hash
	entries  []entry[S]
	hand     int // where the sweep goes on
	overflow S
	_        [64]byte // keeps the locks of two shards apart in the cache
}

type entry[S any] struct {
	hash  uint64
	key   string
	state S
}

func newTable[S any](alg algorithm[S], maxKeys int) *table[S] {
	n := 1
	for n < maxShards && n*keysPerShard < maxKeys {
		n *= 2
	}
	t := &table[S]{alg: alg, seed: maphash.MakeSeed(), shards: make([]shard[S], n), maxKeys: int64(maxKeys)}
	for i := range t.shards {
		t.shards[i].index = map[uint64]int32{}
	}
	return t
}

func (t *table[S]) hash(key string) uint64 { return maphash.String(t.seed, key) }

func (t *table[S]) shard(hash uint64) *shard[S] { return &t.shards[hash&uint64(len(t.shards)-1)] }

func (t *table[S]) lock(hash uint64)   { t.shard(hash).mu.Lock() }
func (t *table[S]) unlock(hash uint64) { t.shard(hash).mu.Unlock() }

// inspect decides about key, which it also tells the place of. A key without
// an entry is judged by the overflow: it gets that, or what inherits from it.
// The shard is locked, here and below.
func (t *table[S]) inspect(hash uint64, key string, now int64, cost int) (Decision, int32) {
	sh := t.shard(hash)
	at := sh.find(hash, key)
	return t.alg.inspect(sh.state(at), now, cost), at
}

// take takes cost for key, at the place that inspect told. It reports whether
// the budget is one that is shared with other keys.
func (t *table[S]) take(hash uint64, key string, at int32, now int64, cost int) (shared bool) {
	sh := t.shard(hash)
	if at == absent {
		if at = t.insert(sh, hash, key, now); at == absent {
			t.shared.Add(1)
		}
	}
	t.alg.take(sh.state(at), now, cost)
	return at == absent
}

// giveBack undoes take. A key that took from the overflow may have an entry by
// now, which inherited what was taken.
func (t *table[S]) giveBack(hash uint64, key string, now, taken int64, cost int, shared bool) {
	sh := t.shard(hash)
	if at := sh.find(hash, key); at != absent {
		t.alg.giveBack(sh.state(at), now, taken, cost)
	}
	if shared {
		t.alg.giveBack(&sh.overflow, now, taken, cost)
	}
}

func (t *table[S]) counts() (keys, shared int64) { return t.keys.Load(), t.shared.Load() }

// insert gives key an entry if there is room. What the overflow has used counts
// against it: part of that may have been taken for this key.
func (t *table[S]) insert(sh *shard[S], hash uint64, key string, now int64) int32 {
	if _, taken := sh.index[hash]; taken {
		return absent // two keys of one hash; not in a lifetime
	}
	t.sweep(sh, now)
	if t.keys.Add(1) > t.maxKeys {
		t.keys.Add(-1)
		return absent
	}
	e := entry[S]{hash: hash, key: strings.Clone(key)}
	if !t.alg.idle(&sh.overflow, now) {
		t.alg.inherit(&e.state, &sh.overflow, now)
	}
	sh.entries = append(sh.entries, e)
	at := int32(len(sh.entries) - 1) //nolint:gosec // far fewer than 2^31
	sh.index[hash] = at
	return at
}

// sweep removes idle entries among the next few. Each new key looks at more
// entries than it adds, so what is idle goes without anybody's clock.
func (t *table[S]) sweep(sh *shard[S], now int64) {
	for range min(sweepStep, len(sh.entries)) {
		if sh.hand >= len(sh.entries) {
			sh.hand = 0
		}
		if !t.alg.idle(&sh.entries[sh.hand].state, now) {
			sh.hand++
			continue
		}
		sh.remove(sh.hand)
		t.keys.Add(-1)
	}
}

// remove puts the last entry into the place of the one that goes.
func (sh *shard[S]) remove(at int) {
	last := len(sh.entries) - 1
	delete(sh.index, sh.entries[at].hash)
	if at != last {
		sh.entries[at] = sh.entries[last]
		sh.index[sh.entries[at].hash] = int32(at) //nolint:gosec // far fewer than 2^31
	}
	sh.entries[last] = entry[S]{}
	sh.entries = sh.entries[:last]
}

func (sh *shard[S]) find(hash uint64, key string) int32 {
	if at, ok := sh.index[hash]; ok && sh.entries[at].key == key {
		return at
	}
	return absent
}

func (sh *shard[S]) state(at int32) *S {
	if at == absent {
		return &sh.overflow
	}
	return &sh.entries[at].state
}

// fit bounds what a key may take of the memory.
func fit(key string) string {
	if len(key) <= maxKeyLen {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return string(sum[:])
}
