package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogram_QuantilesAreExactToThreePercent(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var h, other histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(dice.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			other.add(d)
		}
	}
	h.merge(&other)
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		got := h.quantile(q)
		if got < want || float64(got-want) > 0.032*float64(want)+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func TestHistogram_HasABucketForEveryDuration(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 31, 32, 33, 63, 64, 65, 1000, time.Second, time.Hour, 1<<63 - 1} {
		i := bucket(d)
		if up := upper(i); up < d {
			t.Errorf("%d is in a bucket up to %d", d, up)
		}
		if i > 0 && upper(i-1) >= max(d, 0) {
			t.Errorf("%d fits into the bucket before, up to %d", d, upper(i-1))
		}
	}
	var h histogram
	if h.quantile(0.5) != 0 || h.buckets() != nil {
		t.Error("an empty histogram")
	}
}
