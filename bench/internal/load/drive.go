package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A Script says what a client sends next, and whether the answer is right. Its
// request is valid until the next one.
type Script interface {
	Next() []byte
	Check(*Response) error
}

// A Client follows a script on a connection.
type Client struct {
	Conn   *Conn
	Script Script
}

// Limits end a run, whichever comes first. A call that was sent is waited for.
type Limits struct {
	Duration time.Duration
	Calls    int // of each client; 0 means a million
}

const maxCalls = 1_000_000

// grace is how long after its end a run waits for the last answers.
const grace = 30 * time.Second

// A Result tells of a run in which all answers were right.
type Result struct {
	Calls     int
	Elapsed   time.Duration   // until the last answer
	Latencies []time.Duration // of each call, sorted
}

// Run lets all clients send one call after the other, side by side, until a
// limit is reached. The first wrong answer ends it with an error.
func Run(ctx context.Context, clients []Client, limits Limits) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := time.Now()
	end := start.Add(limits.Duration)
	for _, c := range clients {
		if err := c.Conn.SetDeadline(end.Add(grace)); err != nil {
			return Result{}, err
		}
	}
	// Closing is what ends a read at once. A canceled run is not continued.
	stop := context.AfterFunc(ctx, func() {
		for _, c := range clients {
			_ = c.Conn.Close()
		}
	})
	calls := limits.Calls
	if calls <= 0 {
		calls = maxCalls
	}
	latencies := make([][]time.Duration, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			var err error
			if latencies[i], err = c.follow(ctx, end, calls); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if !stop() || ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	all := slices.Concat(latencies...)
	if len(all) == 0 {
		return Result{}, errors.New("no call in this run")
	}
	slices.Sort(all)
	return Result{Calls: len(all), Elapsed: elapsed, Latencies: all}, nil
}

func (c Client) follow(ctx context.Context, end time.Time, calls int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, min(calls, 4096))
	// One call at least, however late this begins: a run without calls says nothing.
	for before := time.Now(); (before.Before(end) || len(took) == 0) && len(took) < calls && ctx.Err() == nil; {
		res, err := c.Conn.Do(c.Script.Next())
		if err != nil {
			return nil, err
		}
		now := time.Now()
		if err := c.Script.Check(res); err != nil {
			return nil, err
		}
		took = append(took, now.Sub(before))
		before = now
	}
	return took, nil
}
