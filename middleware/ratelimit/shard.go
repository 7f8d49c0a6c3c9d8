package ratelimit

import "sync"

// absent is the slot of a key that has none.
const absent = -1

// A shard is a hash table with linear probing: a key lies at the slot of its
// hash, or behind it without a gap. The state lies there too, which spares a
// look-up what costs most among many keys, one more visit to memory. A key that
// finds no room in the table takes from overflow.
//
// The slots of the sliding algorithms have 32 and 64 bytes, which a test pins: each
// lies within one line of the cache.
type shard[S any] struct {
	mu       sync.Mutex
	slots    []slot[S] // a power of two of them, or none
	n        int       // how many are used
	hand     int       // where the sweep goes on
	overflow S
	_        [64]byte // keeps the locks of two shards apart in the cache
}

type slot[S any] struct {
	key   id // the zero id: nobody's
	state S
}

func (s *slot[S]) used() bool { return s.key != id{} }

func (sh *shard[S]) state(at int) *S {
	if at == absent {
		return &sh.overflow
	}
	return &sh.slots[at].state
}

// home is where the search for key begins.
func (sh *shard[S]) home(key id) int { return int(key.hash&(1<<31-1)) & (len(sh.slots) - 1) }

func (sh *shard[S]) next(at int) int { return (at + 1) & (len(sh.slots) - 1) }

func (sh *shard[S]) find(key id) int {
	if len(sh.slots) == 0 {
		return absent
	}
	for at := sh.home(key); sh.slots[at].used(); at = sh.next(at) {
		if sh.slots[at].key == key {
			return at
		}
	}
	return absent
}

// add returns the slot of a key that has none yet.
func (sh *shard[S]) add(key id) int {
	if sh.n >= len(sh.slots)/4*3 { // fuller, the gaps are too far apart
		sh.grow()
	}
	at := sh.home(key)
	for sh.slots[at].used() {
		at = sh.next(at)
	}
	sh.slots[at].key = key
	sh.n++
	return at
}

func (sh *shard[S]) grow() {
	old := sh.slots
	sh.slots, sh.n = make([]slot[S], max(2*len(old), 8)), 0
	for i := range old {
		if old[i].used() {
			sh.slots[sh.add(old[i].key)].state = old[i].state
		}
	}
}

// remove empties a slot, and closes the gap for keys that lie behind it but
// belong in it or before.
func (sh *shard[S]) remove(at int) {
	gap := at
	for i := sh.next(at); sh.slots[i].used(); i = sh.next(i) {
		home := sh.home(sh.slots[i].key)
		if mask := len(sh.slots) - 1; (i-home)&mask >= (i-gap)&mask {
			sh.slots[gap] = sh.slots[i]
			gap = i
		}
	}
	sh.slots[gap] = slot[S]{}
	sh.n--
}
