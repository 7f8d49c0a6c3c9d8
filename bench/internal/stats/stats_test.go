package stats_test

import (
	"slices"
	"testing"

	"github.com/trestle-mcp/trestle/bench/internal/stats"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 100}, 3.5},
	} {
		given := slices.Clone(c.values)
		if got := stats.Median(given); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("the values were reordered: %v", given)
		}
	}
}

func TestQuantile_IsTheNearestRank(t *testing.T) {
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, i+1)
	}
	for _, c := range []struct {
		values []int
		q      float64
		want   int
	}{
		{nil, 0.5, 0},
		{[]int{3}, 0.99, 3},
		{[]int{1, 2}, 0.5, 1},
		{[]int{1, 2, 3}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 0, 1},
		{hundred, 1, 100},
		{hundred, 2, 100},
	} {
		if got := stats.Quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile %v of %d values is %v, want %v", c.q, len(c.values), got, c.want)
		}
	}
}

func TestRatio_ComparesWithinEachRound(t *testing.T) {
	// The second round was disturbed: both took ten times as long.
	if got := stats.Ratio([]float64{2, 20, 2}, []float64{1, 10, 1}); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
	if got := stats.Ratio([]float64{2, 4}, []float64{0, 1, 7}); got != 4 {
		t.Errorf("ratio %v, want the one round that has both, 4", got)
	}
	if got := stats.Ratio(nil, []float64{1}); got != 0 {
		t.Errorf("ratio of nothing is %v", got)
	}
}

func TestSpread(t *testing.T) {
	if got := stats.Spread([]float64{4, 5, 3}); got != 0.5 {
		t.Errorf("spread %v, want 0.5", got)
	}
	if got := stats.Spread(nil); got != 0 {
		t.Errorf("spread of nothing is %v", got)
	}
}
