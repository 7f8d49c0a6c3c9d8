package redis

import (
	"context"
	"errors"
	"time"
)

var errPanic = errors.New("redis: the client panicked")

// await returns what do does, or an error when ctx ends or timeout is over; zero
// means no timeout. The client alone would not do: while one of its users
// connects, the others wait for that, whatever their contexts. The goroutine ends when
// the client gives up. On it a panic would end the process.
func await[T any](ctx context.Context, timeout time.Duration, do func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		a := answer{err: errPanic}
		defer func() { _ = recover(); answered <- a }()
		a.value, a.err = do()
	}()
	var late <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		late = timer.C
	}
	var zero T
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		return zero, ctx.Err()
	case <-late:
		return zero, context.DeadlineExceeded
	}
}
