package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// arrears are records that the sink owes: at most one of each call that ran when
// it began to fail.
type arrears struct {
	any, settling atomic.Bool

	mu      sync.Mutex
	records []*AuditRecord
}

func (o *arrears) add(r *AuditRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records = append(o.records, r)
	o.any.Store(true)
}

// settle writes what is owed, the oldest first. Of many callers one tries; the
// others are refused meanwhile, so that a sink that hangs holds up nobody.
func (o *arrears) settle(ctx context.Context, write func(context.Context, *AuditRecord) error) error {
	if !o.any.Load() {
		return nil
	}
	if !o.settling.CompareAndSwap(false, true) {
		return errOwed
	}
	defer o.settling.Store(false)
	for {
		r := o.first()
		if r == nil {
			return nil
		}
		if err := write(ctx, r); err != nil {
			return err
		}
		o.mu.Lock()
		o.records = o.records[1:]
		o.mu.Unlock()
	}
}

// first returns the oldest record that is owed, or nil once there is none.
func (o *arrears) first() *AuditRecord {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.records) == 0 {
		o.records = nil
		o.any.Store(false)
		return nil
	}
	return o.records[0]
}

var errOwed = errors.New("auth: audit records are still to be written")

// A BatchSink takes several records at a time, for less than they cost one by
// one. After an error some may be kept; each can be given to Audit then, which
// keeps none twice.
type BatchSink interface {
	Sink
	AuditBatch(ctx context.Context, records []*AuditRecord) error
}

// maxBatch is how many records are given to a [BatchSink] at a time.
const maxBatch = 256

// A BufferedSink hands records on to another sink without making calls wait, many
// at a time to a [BatchSink]. What does not fit into its buffer, or what that
// sink refuses, is lost and counted.
type BufferedSink struct {
	sink    Sink
	onLost  func(r *AuditRecord, err error)
	lost    atomic.Int64
	stop    context.CancelFunc
	ctx     context.Context //nolint:containedctx // of the goroutine
	done    chan struct{}
	mu      sync.RWMutex
	closed  bool
	records chan *AuditRecord
}

// NewBufferedSink returns a sink that keeps up to size records for sink; zero
// or less means 1024. onLost is told of each that is lost, at the same time for
// many; nil means nobody is. Close it after the server has stopped.
func NewBufferedSink(sink Sink, size int, onLost func(r *AuditRecord, err error)) *BufferedSink {
	if size <= 0 {
		size = 1024
	}
	b := &BufferedSink{sink: sink, onLost: onLost, done: make(chan struct{}), records: make(chan *AuditRecord, size)}
	b.ctx, b.stop = context.WithCancel(context.Background())
	go b.run()
	return b
}

func (b *BufferedSink) run() {
	defer close(b.done)
	a := auditor{AuditOptions: AuditOptions{Sink: b.sink}}
	for r := range b.records {
		for _, r := range b.unwritten(append([]*AuditRecord{r}, b.waiting()...)) {
			err := b.ctx.Err()
			if err == nil {
				err = a.write(b.ctx, r)
			}
			if err != nil {
				b.lose(r, err)
			}
		}
	}
}

// waiting takes what is in the buffer, for a sink that takes many.
func (b *BufferedSink) waiting() (records []*AuditRecord) {
	if _, ok := b.sink.(BatchSink); !ok {
		return nil
	}
	for len(records) < maxBatch-1 {
		select {
		case r, open := <-b.records:
			if !open {
				return records
			}
			records = append(records, r)
		default:
			return records
		}
	}
	return records
}

// unwritten writes records together, and returns those that are left for single
// writes, which find out what was wrong with which.
func (b *BufferedSink) unwritten(records []*AuditRecord) []*AuditRecord {
	sink, ok := b.sink.(BatchSink)
	if !ok || len(records) == 1 || b.ctx.Err() != nil {
		return records
	}
	if inAuditTime(b.ctx, func(ctx context.Context) error { return sink.AuditBatch(ctx, records) }) != nil {
		return records
	}
	return nil
}

func (b *BufferedSink) lose(r *AuditRecord, err error) {
	b.lost.Add(1)
	if b.onLost != nil {
		b.onLost(r, err)
	}
}

var (
	errBufferFull = errors.New("auth: the audit buffer is full")
	errSinkClosed = errors.New("auth: the audit sink is closed")
)

// Audit implements [Sink]. It never waits, and returns nil also for a record
// that is lost.
func (b *BufferedSink) Audit(_ context.Context, r *AuditRecord) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		b.lose(r, errSinkClosed)
		return nil
	}
	select {
	case b.records <- r:
	default:
		b.lose(r, errBufferFull)
	}
	return nil
}

// Lost is how many records were lost.
func (b *BufferedSink) Lost() int64 { return b.lost.Load() }

// Close hands on what waits, until ctx ends: what is left then is lost, but for
// a record that the other sink is at. It returns the error of ctx if that cut it
// short.
func (b *BufferedSink) Close(ctx context.Context) error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.records)
	}
	b.mu.Unlock()
	defer b.stop()
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
