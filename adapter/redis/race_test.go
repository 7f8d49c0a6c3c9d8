package redis_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
)

const (
	raceEnv    = "TRESTLE_REDIS_RACE" // holds the prefix
	raceLimit  = 1000
	raceWindow = time.Second
	raceTime   = 3500 * time.Millisecond
)

func TestSlidingWindow_64ClientsInThreeProcessesNeverPassTheLimit(t *testing.T) {
	prefix := unique(t, dial(t))
	outputs := make([]bytes.Buffer, 3)
	var wg sync.WaitGroup
	for i, clients := range []int{21, 21, 22} {
		wg.Go(func() {
			child := exec.CommandContext(t.Context(), os.Args[0], strconv.Itoa(clients))
			child.Env = append(os.Environ(), raceEnv+"="+prefix)
			child.Stdout, child.Stderr = &outputs[i], os.Stderr
			if err := child.Run(); err != nil {
				t.Errorf("a process: %v", err)
			}
		})
	}
	wg.Wait()
	var times []int64
	for i := range outputs {
		before := len(times)
		for lines := bufio.NewScanner(&outputs[i]); lines.Scan(); {
			at, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, at)
		}
		if len(times) == before {
			t.Error("a process was allowed nothing")
		}
	}
	slices.Sort(times)
	full := 0
	for i := range len(times) - raceLimit {
		switch gap := times[i+raceLimit] - times[i]; {
		case gap < raceWindow.Microseconds():
			t.Fatalf("%d calls within %d µs, the limit is %d", raceLimit+1, gap, raceLimit)
		case gap < raceWindow.Microseconds()+50_000:
			full++
		}
	}
	t.Logf("%d allowed in %v, %d windows full", len(times), raceTime, full)
	if full == 0 {
		t.Error("the clients never came near the limit")
	}
}

// race is what each process does: it writes when Redis allowed something.
func race() int {
	clients, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = runRace(os.Stdout, clients)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runRace(w io.Writer, clients int) error {
	opts, err := options()
	if err != nil {
		return err
	}
	client, err := rueidis.NewClient(opts)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), raceTime)
	defer cancel()
	out, errs := make(chan int64, 1024), make(chan error, clients)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() { errs <- raceClient(ctx, client, out) })
	}
	go func() { wg.Wait(); close(out) }()
	for at := range out {
		if _, err := fmt.Fprintln(w, at); err != nil {
			return err
		}
	}
	for range clients {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// raceClient has a spy of its own, which sees the time of each
// decision.
func raceClient(ctx context.Context, client rueidis.Client, out chan<- int64) error {
	s := &spy{Client: client}
	limits, err := redis.NewLimits(s, &redis.LimitOptions{Prefix: os.Getenv(raceEnv), Timeout: time.Minute})
	if err != nil {
		return err
	}
	l := limits.SlidingWindow("race", raceLimit, raceWindow).WithFailure(redis.Deny())
	for ctx.Err() == nil {
		d, err := l.Allow(context.WithoutCancel(ctx), "k", 1)
		if err != nil {
			return err
		}
		if d.Allowed {
			out <- s.now()
		}
	}
	return nil
}
