package measure

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/child"
	"github.com/trestle-mcp/trestle/bench/internal/load"
	"github.com/trestle-mcp/trestle/bench/internal/stats"
)

// Run measures everything in p. What fails ends it.
func Run(ctx context.Context, p *Plan) (*Results, error) {
	var results Results
	for _, e := range p.Eras {
		for _, k := range p.Kinds {
			for _, n := range p.Connections {
				cell := Cell{e, k, n}
				p.tell(fmt.Sprintf("%v %v, %d connections", e, k, n))
				rounds, err := p.runCell(ctx, cell)
				if err != nil {
					return nil, err
				}
				results.Cells = append(results.Cells, CellResult{cell, rounds})
			}
		}
	}
	if p.Sessions > 0 {
		sessions, err := p.runSessions(ctx)
		if err != nil {
			return nil, err
		}
		results.Sessions = sessions
	}
	return &results, nil
}

// contest is a contender under one load.
type contest struct {
	name    string
	process *process
	clients []load.Client
}

// runCell starts every contender anew, so that none carries over what another
// load left in its heap, and then lets them take turns.
func (p *Plan) runCell(ctx context.Context, cell Cell) (_ map[string][]Sample, err error) {
	var contests []*contest
	defer func() {
		for _, c := range contests {
			err = errors.Join(err, c.end())
		}
	}()
	for _, contender := range p.Contenders {
		c := &contest{name: contender.Name}
		contests = append(contests, c)
		if err := c.begin(ctx, contender, cell); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if _, err := load.Run(ctx, c.clients, load.Limits{Duration: p.Warmup}); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	rounds := map[string][]Sample{}
	for round := range p.Rounds {
		for i := range contests {
			c := contests[(i+round)%len(contests)] // nobody is always first
			sample, err := c.round(ctx, p.Duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			rounds[c.name] = append(rounds[c.name], sample)
		}
	}
	return rounds, nil
}

func (c *contest) begin(ctx context.Context, contender Contender, cell Cell) (err error) {
	args := []string{"-tools", strconv.Itoa(cell.Kind.Tools())}
	if c.process, err = start(ctx, contender.Command, args...); err != nil {
		return err
	}
	c.clients, err = callers(ctx, c.process.addr, cell)
	return err
}

func (c *contest) end() error {
	closeAll(c.clients)
	if c.process == nil {
		return nil
	}
	return c.process.stop()
}

func (c *contest) round(ctx context.Context, d time.Duration) (Sample, error) {
	before, err := c.process.usage(ctx, false)
	if err != nil {
		return Sample{}, err
	}
	res, err := load.Run(ctx, c.clients, load.Limits{Duration: d})
	if err != nil {
		return Sample{}, err
	}
	after, err := c.process.usage(ctx, false)
	if err != nil {
		return Sample{}, err
	}
	used := perCall(before, after, res.Calls)
	return Sample{
		CPU: used.cpu, Allocs: used.allocs, AllocBytes: used.bytes,
		Rate: float64(res.Calls) / res.Elapsed.Seconds(),
		P50:  micros(stats.Quantile(res.Latencies, 0.50)),
		P99:  micros(stats.Quantile(res.Latencies, 0.99)),
		RSS:  float64(after.RSS),
	}, nil
}

type used struct{ cpu, allocs, bytes float64 }

func perCall(before, after child.Usage, calls int) used {
	n := float64(calls)
	return used{
		cpu:    micros(after.CPU-before.CPU) / n,
		allocs: float64(after.Allocs-before.Allocs) / n,
		bytes:  float64(after.AllocBytes-before.AllocBytes) / n,
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
