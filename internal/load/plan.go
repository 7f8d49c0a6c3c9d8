// Package load calls the tools of an MCP server over HTTP, many at a time, and
// counts what comes of it.
package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A Target is a server to call.
type Target struct {
	URL string
	// Header is sent with each request, such as Authorization. May be nil.
	Header http.Header
	// Version is the protocol version to speak, such as "2025-11-25". Empty means
	// the newest.
	Version string
	// Through returns what requests go through instead of next. May be nil.
	Through func(next http.RoundTripper) http.RoundTripper
}

// A Call is one kind of call in a mix.
type Call struct {
	Tool string
	// Args returns the arguments of the n-th call of this kind; nil means none.
	// It is called by many clients at once.
	Args func(n int) any
	// Weight is how often this kind is called, against the others. Zero means 1.
	Weight int
}

// A Plan is what to call, how often and for how long. Without Duration and Calls
// it lasts 10 seconds.
type Plan struct {
	Mix []Call
	// Clients is how many call at the same time, each on a connection of its own,
	// and in legacy in a session of its own. Zero means 16.
	Clients int
	// Rate is how many calls a second are begun by all clients together. A call
	// that no client is free for waits, and its latency counts from when it should
	// have begun. Zero means that each client calls again when it has its answer.
	Rate float64
	// Duration ends the run. Zero means no end by time.
	Duration time.Duration
	// Calls ends the run after so many. Zero means no end by number.
	Calls int
	// Timeout is how long a call may take. Zero means 30 seconds.
	Timeout time.Duration
	// Progress gets the figures so far, once a second and at the end. May be nil.
	Progress func(*Report)
}

func (p Plan) withDefaults() (Plan, error) {
	var mistakes []error
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf("load: "+format, args...)) }
	if len(p.Mix) == 0 {
		wrong("Plan.Mix is empty: there is nothing to call")
	}
	for i, c := range p.Mix {
		if c.Tool == "" {
			wrong("Plan.Mix[%d] has no Tool", i)
		}
		if c.Weight < 0 {
			wrong("Plan.Mix[%d].Weight: %d is negative", i, c.Weight)
		}
	}
	if p.Clients < 0 || p.Rate < 0 || p.Duration < 0 || p.Calls < 0 || p.Timeout < 0 {
		wrong("Plan has a negative number")
	}
	if p.Clients == 0 {
		p.Clients = 16
	}
	if p.Duration == 0 && p.Calls == 0 {
		p.Duration = 10 * time.Second
	}
	if p.Timeout == 0 {
		p.Timeout = 30 * time.Second
	}
	return p, errors.Join(mistakes...)
}

// wheel returns the kinds of the mix in the order in which they are called, again
// and again, spread evenly.
func (p Plan) wheel() []int {
	weights := make([]int, len(p.Mix))
	total := 0
	for i, c := range p.Mix {
		weights[i] = max(c.Weight, 1)
		total += weights[i]
	}
	wheel := make([]int, 0, total)
	credit := make([]int, len(weights))
	for range total {
		best := 0
		for i, w := range weights {
			if credit[i] += w; credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= total
		wheel = append(wheel, best)
	}
	return wheel
}

// arguments encodes the arguments of the n-th call of a kind.
func (c Call) arguments(n int) (json.RawMessage, error) {
	if c.Args == nil {
		return json.RawMessage("{}"), nil
	}
	return json.Marshal(c.Args(n))
}

// Run calls t as p says. It ends with the plan, or with ctx, and then has no
// error; the error is about the plan, or that no client could connect.
func Run(ctx context.Context, t Target, p Plan) (*Report, error) {
	p, err := p.withDefaults()
	if err != nil {
		return nil, err
	}
	r := newRun(t, p)
	defer r.http.CloseIdleConnections()
	return r.all(ctx)
}
