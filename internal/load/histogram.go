package load

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets that are 1/32 of their size wide.
type histogram struct {
	counts [64 * sub]int64
	n      int64
	sum    time.Duration
	max    time.Duration
}

const (
	subBits = 5
	sub     = 1 << subBits
)

// bucket numbers the bucket of a duration: its highest bit, and the five below.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < sub {
		return int(v)
	}
	high := bits.Len64(v) - 1 - subBits
	return high*sub + int(v>>high) //nolint:gosec // below 64 * 32
}

// upper is the longest duration in a bucket.
func upper(i int) time.Duration {
	if i < 2*sub {
		return time.Duration(i)
	}
	high := i/sub - 1
	return time.Duration(((i-high*sub)+1)<<high) - 1
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.n++
	h.sum += d
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// quantile returns the duration that a share q of all is not longer than.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := int64(q * float64(h.n))
	if rank >= h.n {
		return h.max
	}
	var seen int64
	for i, n := range h.counts {
		if seen += n; seen > rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// A Bucket is how many calls took at most UpTo, and longer than the bucket before
// says.
type Bucket struct {
	UpTo  time.Duration `json:"up_to_ns"`
	Calls int64         `json:"calls"`
}

// buckets returns the histogram in steps of half a power of two, without
// the empty ends.
func (h *histogram) buckets() []Bucket {
	const step = sub / 2
	var all []Bucket
	for i := 0; i < len(h.counts); i += step {
		var n int64
		for _, c := range h.counts[i : i+step] {
			n += c
		}
		if n > 0 || len(all) > 0 {
			all = append(all, Bucket{upper(i + step - 1), n})
		}
	}
	for len(all) > 0 && all[len(all)-1].Calls == 0 {
		all = all[:len(all)-1]
	}
	return all
}
