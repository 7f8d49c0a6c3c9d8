package prometheus

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

// Options configure [New]. The zero value is ready to use.
type Options struct {
	// MaxNames is how many tools, prompts and methods of the server's own have
	// series of their own. Zero means 200; negative means none.
	MaxNames int
	// Buckets of the durations, in seconds, upwards. Nil means from 1 ms to 1
	// minute.
	Buckets []float64
	// Registry is where the metrics are registered. Nil means one of their own,
	// with those of the Go runtime and of the process.
	Registry *prom.Registry
}

var defaultBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Metrics measure calls, and collect the numbers of other parts. All methods
// are safe for concurrent use.
type Metrics struct {
	registry *prom.Registry
	calls    *calls
	sources  *sources
}

// New returns metrics; nil options mean the defaults. It fails if the buckets are
// not in order, or the registry has metrics of these names.
func New(opts *Options) (*Metrics, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxNames == 0 {
		o.MaxNames = 200
	}
	if o.Buckets == nil {
		o.Buckets = defaultBuckets
	}
	o.Buckets = slices.Clone(o.Buckets)
	if n := len(o.Buckets); n > 0 && math.IsInf(o.Buckets[n-1], +1) {
		o.Buckets = o.Buckets[:n-1] // there is always one of those
	}
	for i, b := range o.Buckets {
		if math.IsNaN(b) || math.IsInf(b, 0) || i > 0 && b <= o.Buckets[i-1] {
			return nil, errors.New("prometheus: Options.Buckets do not go upwards")
		}
	}
	m := &Metrics{registry: o.Registry, calls: newCalls(o.MaxNames, o.Buckets), sources: newSources()}
	all := []prom.Collector{m.calls, m.sources}
	if m.registry == nil {
		m.registry = prom.NewRegistry()
		all = append(all, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
			collectors.NewBuildInfoCollector())
	}
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Registry is where the metrics are, and where others may be added.
func (m *Metrics) Registry() *prom.Registry { return m.registry }

// Handler serves the metrics, to at most two at a time, each for at most 10
// seconds. It belongs on a listener that callers of the server do not reach.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 2, Timeout: 10 * time.Second, ErrorHandling: promhttp.ContinueOnError,
		Registry: m.registry, // counts what could not be gathered, such as two pools of one name
	}))
}

// Middleware returns the layer that measures calls. Its place is outside of
// Errors and inside of Log: with package server, in Options.Observe. A panic
// that comes through is counted as internal, and goes on.
func (m *Metrics) Middleware() mcp.Middleware {
	c := m.calls
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			start := time.Since(epoch)
			c.inFlight.Add(1)
			returned := false
			defer func() {
				if !returned {
					c.record(method, req, time.Since(epoch)-start, true, panicked)
				}
				c.inFlight.Add(-1)
			}()
			res, err := next(ctx, method, req)
			failed, e := middleware.Ended(ctx, req, res, err)
			c.record(method, req, time.Since(epoch)-start, failed, e)
			returned = true
			return res, err
		}
	}
}

// epoch spares reading the time of day.
var epoch = time.Now()

var panicked = &mcperrors.Error{Code: mcperrors.Internal}
