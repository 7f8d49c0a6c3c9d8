package shutdown_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/trestle-mcp/trestle/shutdown"
)

// A worker that takes jobs until it is told to stop, and finishes the last one.
func Example() {
	jobs := make(chan string, 1)
	jobs <- "a job"
	s := shutdown.New(&shutdown.Options{
		Wait:    -1,            // nobody probes this one
		Signals: []os.Signal{}, // nil, for SIGINT and SIGTERM, in a program
	})
	s.Add(shutdown.Hook{Name: "database", Timeout: time.Second, Run: func(context.Context) error {
		fmt.Println("closed the database")
		return nil
	}})
	s.Add(shutdown.Hook{Name: "traces", Stage: shutdown.Flush, Run: func(context.Context) error {
		fmt.Println("flushed traces")
		return nil
	}})
	ctx, stop := context.WithCancel(context.Background())
	err := s.Run(ctx, func(ctx context.Context) error {
		for {
			select {
			case job := <-jobs:
				fmt.Println("did", job)
				stop() // as a signal would
			case <-ctx.Done():
				return nil
			}
		}
	})
	fmt.Println("exit", shutdown.ExitCode(err)) // os.Exit in a program
	// Output:
	// did a job
	// closed the database
	// flushed traces
	// exit 0
}
