package eventstore

import (
	"context"
	"fmt"
	"sync"
)

// maxWanted bounds the streams that wait for a snapshot. What does not fit is
// dropped: a later load asks again.
const maxWanted = 1024

// A snapshotWriter writes one snapshot after the other on a goroutine of its own.
type snapshotWriter struct {
	mu     sync.Mutex
	wanted map[string]struct{} // streams in queue
	queue  chan string
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

func newSnapshotWriter(
	write func(ctx context.Context, stream string) error, failed func(stream string, err error),
) *snapshotWriter {
	ctx, stop := context.WithCancel(context.Background())
	w := &snapshotWriter{wanted: make(map[string]struct{}), queue: make(chan string, maxWanted), stop: stop}
	w.wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case stream := <-w.queue:
				w.mu.Lock()
				delete(w.wanted, stream)
				w.mu.Unlock()
				if err := unpanicked(ctx, stream, write); err != nil && ctx.Err() == nil && failed != nil {
					failed(stream, err)
				}
			}
		}
	})
	return w
}

// unpanicked turns a panic of the user's functions into an error: a snapshot is
// not worth the process.
func unpanicked(ctx context.Context, stream string, write func(context.Context, string) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("eventstore: panic: %v", p)
		}
	}()
	return write(ctx, stream)
}

// want asks for a snapshot and never waits.
func (w *snapshotWriter) want(stream string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.wanted[stream]; ok {
		return
	}
	select {
	case w.queue <- stream:
		w.wanted[stream] = struct{}{}
	default:
	}
}

func (w *snapshotWriter) close() {
	w.stop()
	w.wg.Wait()
}
