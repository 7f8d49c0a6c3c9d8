package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/measure"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// options are what the command line says.
type options struct {
	plan  measure.Plan
	names []string // of contenders
	write bool
	out   string
}

// sessionsWorkload is what -workloads calls the sessions.
const sessionsWorkload = "sessions"

func parseOptions(args []string, usage io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(usage)
	quick := fs.Bool("quick", false, "a smoke of seconds: one short round, 16 connections, few sessions; other flags win")
	contenders := fs.String("contenders", strings.Join(contenderNames(), ","), "`names` of the servers to measure")
	workloads := fs.String("workloads", "add,echo,list,sessions", "`names` of what to ask them for")
	connections := fs.String("connections", "1,16,256", "`numbers` of connections")
	eras := fs.String("era", "legacy,modern", "`eras` of the protocol to speak")
	fs.IntVar(&o.plan.Rounds, "rounds", 5, "how often each server has its turn under each load")
	fs.DurationVar(&o.plan.Duration, "duration", 300*time.Millisecond, "how long a turn is")
	fs.DurationVar(&o.plan.Warmup, "warmup", 150*time.Millisecond, "how long each server is called before")
	fs.IntVar(&o.plan.Sessions, "sessions", 10_000, "how many legacy sessions to open")
	fs.BoolVar(&o.write, "write", false, "also write the page")
	fs.StringVar(&o.out, "out", "docs/benchmarks.md", "the `file` that -write writes")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if *quick {
		o.plan.Rounds, o.plan.Duration, o.plan.Warmup = 1, 100*time.Millisecond, 30*time.Millisecond
		o.plan.Sessions, *connections = 320, "16"
		if err := fs.Parse(args); err != nil { // again, because what was said wins
			return nil, err
		}
	}
	return o, o.choose(*contenders, *workloads, *connections, *eras)
}

func (o *options) choose(contenders, workloads, connections, eras string) error {
	var mistakes []error
	each := func(list string, take func(string) error) {
		for name := range strings.SplitSeq(list, ",") {
			mistakes = append(mistakes, take(strings.TrimSpace(name)))
		}
	}
	each(contenders, func(name string) error {
		o.names = append(o.names, name)
		_, err := program(name)
		return err
	})
	sessions := false
	each(workloads, func(name string) error {
		if name == sessionsWorkload {
			sessions = true
			return nil
		}
		return choose(&o.plan.Kinds, workload.Kinds(), "workload", name)
	})
	each(eras, func(name string) error { return choose(&o.plan.Eras, workload.Eras(), "era", name) })
	each(connections, func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 4096 {
			return fmt.Errorf("connections: %q is not a number from 1 to 4096", text)
		}
		o.plan.Connections = append(o.plan.Connections, n)
		return nil
	})
	if !sessions {
		o.plan.Sessions = 0
	}
	mistakes = append(mistakes, o.checkLimits())
	return errors.Join(mistakes...)
}

func (o *options) checkLimits() error {
	p := &o.plan
	if p.Rounds < 1 || p.Rounds > 1000 || p.Duration <= 0 || p.Duration > time.Minute || p.Warmup <= 0 || p.Warmup > time.Minute {
		return errors.New("1 to 1000 rounds; a duration and a warm-up of more than 0 and up to 1m")
	}
	if p.Sessions < 0 || p.Sessions > 1_000_000 {
		return errors.New("0 to 1000000 sessions")
	}
	return nil
}

// choose adds the one of all with the name to chosen.
func choose[T fmt.Stringer](chosen *[]T, all []T, what, name string) error {
	for _, v := range all {
		if v.String() == name {
			*chosen = append(*chosen, v)
			return nil
		}
	}
	return fmt.Errorf("%s: %q is none of %v", what, name, all)
}
