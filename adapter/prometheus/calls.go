package prometheus

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	prom "github.com/prometheus/client_golang/prometheus"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/series"
)

// outcomes are the values of the label code.
var outcomes = [...]string{
	"ok", "tool_error", string(mcperrors.Internal), string(mcperrors.Validation), string(mcperrors.Unauthenticated),
	string(mcperrors.Authorization), string(mcperrors.NotFound), string(mcperrors.Conflict), string(mcperrors.RateLimited),
	string(mcperrors.Timeout), string(mcperrors.Unavailable), string(mcperrors.Exhausted), string(mcperrors.Canceled),
}

const (
	succeeded  = 0
	toolFailed = 1
	internal   = 2 // also what has no code of ours
)

func outcomeOf(failed bool, code mcperrors.Code) int {
	switch {
	case !failed:
		return succeeded
	case code == "":
		return toolFailed
	}
	for i, c := range outcomes[internal:] {
		if c == string(code) {
			return internal + i
		}
	}
	return internal
}

// calls are counted in plain atomics, which cost less than the client
// library's, and become metrics when Prometheus asks.
type calls struct {
	buckets  []float64
	bounds   []time.Duration // as buckets
	inFlight atomic.Int64
	table    *series.Table[*callSeries]
	limited  sync.Map // rule to *atomic.Int64
	rules    atomic.Int64
}

// callSeries are the numbers of one method and name.
type callSeries struct {
	outcomes [len(outcomes)]atomic.Uint64
	buckets  []atomic.Uint64 // not cumulated; one more than bounds
	sum      atomic.Int64    // in nanoseconds
}

func newCalls(names int, buckets []float64) *calls {
	c := &calls{buckets: buckets}
	for _, b := range buckets {
		c.bounds = append(c.bounds, time.Duration(b*float64(time.Second)))
	}
	c.table = series.NewTable(names, func(series.Key) *callSeries {
		return &callSeries{buckets: make([]atomic.Uint64, len(buckets)+1)}
	})
	return c
}

func (c *calls) record(method string, req mcp.Request, took time.Duration, failed bool, e *mcperrors.Error) {
	k, code := series.KeyOf(method, req), series.CodeOf(e)
	s, ok := c.table.Known(k)
	if !ok {
		s = c.table.Of(k, failed, code)
	}
	i := 0
	for i < len(c.bounds) && took > c.bounds[i] {
		i++
	}
	s.buckets[i].Add(1)
	s.sum.Add(int64(took))
	s.outcomes[outcomeOf(failed, code)].Add(1)
	if code == mcperrors.RateLimited {
		c.countLimited(e)
	}
}

// maxRules bounds the labels of rules: a handler may hand on errors of others.
const maxRules = 100

// countLimited counts by the rule, which is named by who made the server, or
// by a handler, not by callers.
func (c *calls) countLimited(e *mcperrors.Error) {
	rule, _ := e.Details["rule"].(string)
	n, ok := c.limited.Load(rule)
	if !ok {
		if !series.Sound(rule) || c.rules.Load() >= maxRules {
			rule = series.Other
		}
		var known bool
		if n, known = c.limited.LoadOrStore(rule, new(atomic.Int64)); !known {
			c.rules.Add(1)
		}
	}
	n.(*atomic.Int64).Add(1) //nolint:errcheck // holds nothing else
}

// Describe implements [prom.Collector].
func (c *calls) Describe(ch chan<- *prom.Desc) {
	for _, desc := range []*prom.Desc{callsTotal, callDuration, callsInFlight, rateLimited} {
		ch <- desc
	}
}

// Collect implements [prom.Collector].
func (c *calls) Collect(ch chan<- prom.Metric) {
	ch <- prom.MustNewConstMetric(callsInFlight, prom.GaugeValue, float64(c.inFlight.Load()))
	for k, s := range c.table.All() {
		for i := range s.outcomes {
			if n := s.outcomes[i].Load(); n > 0 {
				ch <- prom.MustNewConstMetric(callsTotal, prom.CounterValue, float64(n), k.Method, k.Name, outcomes[i])
			}
		}
		count, cumulated := uint64(0), make(map[float64]uint64, len(c.buckets))
		for i := range s.buckets {
			count += s.buckets[i].Load()
			if i < len(c.buckets) {
				cumulated[c.buckets[i]] = count
			}
		}
		sum := time.Duration(s.sum.Load()).Seconds()
		ch <- prom.MustNewConstHistogram(callDuration, count, sum, cumulated, k.Method, k.Name)
	}
	c.limited.Range(func(rule, n any) bool {
		//nolint:errcheck // holds nothing else
		ch <- prom.MustNewConstMetric(rateLimited, prom.CounterValue, float64(n.(*atomic.Int64).Load()), rule.(string))
		return true
	})
}
