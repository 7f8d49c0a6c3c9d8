package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report is what came of a run. Latencies are of the calls that were answered,
// well or badly; they are exact to 3 %.
type Report struct {
	Calls   int64            `json:"calls"`             // that ended
	Failed  int64            `json:"failed"`            // of those
	Errors  map[string]int64 `json:"errors,omitempty"`  // failures by code, "connection" and "timeout" among them
	Example string           `json:"example,omitempty"` // the first failure, in words
	Elapsed time.Duration    `json:"elapsed_ns"`
	Rate    float64          `json:"calls_per_second"`

	Mean time.Duration `json:"mean_ns"`
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`

	Histogram []Bucket `json:"histogram"`
	Seconds   []Second `json:"seconds"`
	Clients   int      `json:"clients"`
	Version   string   `json:"protocol_version"`
}

// A Second is what happened in one second of a run.
type Second struct {
	Calls  int64         `json:"calls"`
	Failed int64         `json:"failed"`
	P50    time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
}

// String says the report in a few lines.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d calls in %v by %d clients (%s): %.0f a second, %d failed\n",
		r.Calls, r.Elapsed.Round(time.Millisecond), r.Clients, r.Version, r.Rate, r.Failed)
	fmt.Fprintf(&b, "latency: mean %v, p50 %v, p90 %v, p99 %v, p99.9 %v, max %v\n",
		short(r.Mean), short(r.P50), short(r.P90), short(r.P99), short(r.P999), short(r.Max))
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(&b, "failed with %s: %d\n", code, r.Errors[code])
	}
	if r.Example != "" {
		fmt.Fprintf(&b, "such as: %s\n", r.Example)
	}
	return b.String()
}

// short rounds to three digits.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// books are the counts of one client, or of all.
type books struct {
	latency histogram
	failed  int64
	errors  map[string]int64
	example string
}

func (b *books) note(d time.Duration, code, message string) {
	b.latency.add(d)
	if code == "" {
		return
	}
	b.failed++
	if b.errors == nil {
		b.errors = map[string]int64{}
	}
	b.errors[code]++
	if b.example == "" {
		b.example = message
	}
}

func (b *books) merge(o *books) {
	b.latency.merge(&o.latency)
	b.failed += o.failed
	for code, n := range o.errors {
		if b.errors == nil {
			b.errors = map[string]int64{}
		}
		b.errors[code] += n
	}
	if b.example == "" {
		b.example = o.example
	}
}

func (b *books) second() Second {
	return Second{b.latency.n, b.failed, b.latency.quantile(0.5), b.latency.quantile(0.99)}
}

func (b *books) report(elapsed time.Duration) *Report {
	h := &b.latency
	r := &Report{
		Calls: h.n, Failed: b.failed, Errors: maps.Clone(b.errors), Example: b.example, Elapsed: elapsed,
		P50: h.quantile(0.5), P90: h.quantile(0.9), P99: h.quantile(0.99), P999: h.quantile(0.999), Max: h.max,
		Histogram: h.buckets(),
	}
	if h.n > 0 {
		r.Mean = h.sum / time.Duration(h.n)
	}
	if elapsed > 0 {
		r.Rate = float64(h.n) / elapsed.Seconds()
	}
	return r
}
