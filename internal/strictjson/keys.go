package strictjson

import "hash/maphash"

// manyKeys is where comparing each key with each becomes dearer than hashing.
const manyKeys = 16

// keySet is the keys of one object. The first few are compared one by one and
// live on the stack. More are found through an open-addressed table, hashed
// with a random seed so that no peer can choose keys that collide.
type keySet struct {
	few   [manyKeys][]byte
	n     int      // keys in few
	many  [][]byte // all keys, once they are more than few holds
	table []int32  // index into many plus 1, or 0; the length is a power of two
}

// hashSeed is one for the process: a peer sees no hash.
var hashSeed = maphash.MakeSeed()

// add reports whether key is new.
func (k *keySet) add(key []byte) bool {
	if k.table == nil {
		for _, other := range k.few[:k.n] {
			if string(other) == string(key) {
				return false
			}
		}
		if k.n < manyKeys {
			k.few[k.n] = key
			k.n++
			return true
		}
		k.many = append(make([][]byte, 0, 4*manyKeys), k.few[:]...)
		k.grow()
	}
	slot := k.slot(key)
	if k.table[slot] != 0 {
		return false
	}
	k.many = append(k.many, key)
	k.table[slot] = int32(len(k.many)) //nolint:gosec // 2^31 keys need 8 GiB of input
	if 2*len(k.many) > len(k.table) {
		k.grow()
	}
	return true
}

// slot returns where key is in the table, or where it belongs.
func (k *keySet) slot(key []byte) uint64 {
	mask := uint64(len(k.table) - 1) //nolint:gosec // never empty
	slot := maphash.Bytes(hashSeed, key) & mask
	for n := k.table[slot]; n != 0 && string(k.many[n-1]) != string(key); n = k.table[slot] {
		slot = (slot + 1) & mask
	}
	return slot
}

func (k *keySet) grow() {
	k.table = make([]int32, max(4*manyKeys, 4*len(k.table)))
	for i, key := range k.many {
		k.table[k.slot(key)] = int32(i) + 1
	}
}
