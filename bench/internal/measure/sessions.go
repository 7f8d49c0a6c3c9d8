package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/trestle-mcp/trestle/bench/internal/load"
	"github.com/trestle-mcp/trestle/bench/internal/stats"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// Sessions are opened on as many connections, after some that only warm up.
const (
	openers    = 16
	warmupEach = 4
	// sessionRounds bounds the rounds, because each opens all sessions anew.
	sessionRounds = 3
)

// runSessions opens legacy sessions, which stay idle, and then measures calls
// among them. A contender without sessions shows what the handshake and the
// calls cost at least.
func (p *Plan) runSessions(ctx context.Context) (*SessionResult, error) {
	res := &SessionResult{
		Sessions: p.Sessions, Connections: slices.Max(p.Connections), Rounds: map[string][]SessionSample{},
	}
	for round := range min(p.Rounds, sessionRounds) {
		for i := range p.Contenders {
			c := p.Contenders[(i+round)%len(p.Contenders)]
			p.tell(fmt.Sprintf("%d sessions, round %d, %s", p.Sessions, round+1, c.Name))
			sample, err := p.sessionRound(ctx, c, res.Connections)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			res.Rounds[c.Name] = append(res.Rounds[c.Name], sample)
		}
	}
	return res, nil
}

func (p *Plan) sessionRound(ctx context.Context, c Contender, connections int) (s SessionSample, err error) {
	process, err := start(ctx, c.Command, c.WithSessions...)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, process.stop()) }()
	clients, err := connect(ctx, process.addr, openers)
	defer func() { closeAll(clients) }()
	if err != nil {
		return s, err
	}
	if s, err = p.open(ctx, process, clients); err != nil {
		return s, err
	}
	crowd, err := callers(ctx, process.addr, Cell{workload.Legacy, workload.Add, connections})
	defer func() { closeAll(crowd) }()
	if err != nil {
		return s, err
	}
	if _, err = load.Run(ctx, crowd, load.Limits{Duration: p.Warmup}); err != nil {
		return s, err
	}
	res, err := load.Run(ctx, crowd, load.Limits{Duration: p.Duration})
	if err != nil {
		return s, err
	}
	s.P50, s.P99 = micros(stats.Quantile(res.Latencies, 0.50)), micros(stats.Quantile(res.Latencies, 0.99))
	return s, nil
}

// open opens the sessions, and measures the handshakes and what is kept.
func (p *Plan) open(ctx context.Context, process *process, clients []load.Client) (s SessionSample, err error) {
	if _, err := handshake(ctx, clients, process.addr, warmupEach); err != nil {
		return s, err
	}
	before, err := process.usage(ctx, true)
	if err != nil {
		return s, err
	}
	each := (p.Sessions + openers - 1) / openers
	if _, err := handshake(ctx, clients, process.addr, each); err != nil {
		return s, err
	}
	after, err := process.usage(ctx, false)
	if err != nil {
		return s, err
	}
	idle, err := process.usage(ctx, true)
	if err != nil {
		return s, err
	}
	n := each * openers
	used := perCall(before, after, n)
	s.CPU, s.Allocs, s.AllocBytes = used.cpu, used.allocs, used.bytes
	kept := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(n) }
	s.Heap, s.Stack, s.RSS = kept(before.Heap, idle.Heap), kept(before.Stack, idle.Stack), kept(before.RSS, idle.RSS)
	s.Goroutines = float64(idle.Goroutines-before.Goroutines) / float64(n)
	return s, nil
}
