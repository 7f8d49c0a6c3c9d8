package resume

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/eventstore"
)

// Options of a [Store]. The zero value is ready.
type Options struct {
	// Keep is how long what was sent can be fetched, at least; it is dropped
	// after twice that time. All replicas need the same. Zero or negative means
	// 10 minutes.
	Keep time.Duration
	// MaxBytes bounds what this process keeps of one period, with 256 bytes for
	// each event beside its data. What is sent beyond it cannot be fetched again.
	// Zero or negative means 256 MiB.
	MaxBytes int64
	// MaxStreams bounds how many streams this process knows at a time. Zero or
	// negative means 100,000.
	MaxStreams int
	// OnError is told what went wrong with a segment beside the event that the
	// error is answered to. Nil means that nobody listens.
	OnError func(error)
}

// A Store is an [mcp.EventStore] over event stores. It is safe for concurrent
// use, and so are those of several processes over the same segments. Close it
// after the last use.
//
// An event is durable before it is sent. One that cannot be kept, within two
// seconds, is sent all the same, without an id. After that happened, events are
// not kept for five seconds, and do not wait.
type Store struct {
	place      Segments
	keep       time.Duration
	maxBytes   int64
	maxStreams int
	onError    func(error)
	resting    atomic.Int64 // until when, in nanoseconds

	mu        sync.Mutex
	closed    bool
	last, now *segment
	retry     time.Time // when to try again to open last
	sessions  map[string]map[string]*stream
	known     int // streams in sessions
}

// A stream is where the next event of a session's stream goes.
type stream struct {
	name string // in a segment

	mu      sync.Mutex
	next    int   // index of the next event
	segment int64 // that of the last one
	version int64 // of the last one, there
	broken  error // nobody knows what was kept
}

var _ mcp.EventStore = (*Store)(nil)

// New returns a store. Nil options mean the zero value.
func New(place Segments, opts *Options) *Store {
	var o Options
	if opts != nil {
		o = *opts
	}
	return &Store{
		place:      place,
		keep:       cmp.Or(max(o.Keep, 0), 10*time.Minute),
		maxBytes:   cmp.Or(max(o.MaxBytes, 0), 256<<20),
		maxStreams: cmp.Or(max(o.MaxStreams, 0), 100_000),
		onError:    o.OnError,
		sessions:   make(map[string]map[string]*stream),
	}
}

func (s *Store) report(err error) {
	if s.onError != nil {
		s.onError(err)
	}
}

const (
	operationTime = 2 * time.Second
	restTime      = 5 * time.Second
	typeSent      = "sent"
	extraIndex    = "index"
	overhead      = 256 // bytes that an event takes beside its data, about
)

var (
	errFull    = errors.New("resume: this period has as many bytes as it may")
	errStreams = errors.New("resume: too many streams")
	errResting = errors.New("resume: the store did not answer a moment ago")
	errMissing = errors.New("resume: the segment of the last period cannot be opened")
	errGone    = fmt.Errorf("resume: the next event is not kept any more: %w", mcp.ErrEventsPurged)
	errUnknown = fmt.Errorf("resume: nothing of the stream is kept: %w", mcp.ErrEventsPurged)
)

// within bounds how long an answer waits to be kept. After a store did not answer
// in time, the next ones do not wait for it.
func (s *Store) within(ctx context.Context, operation func(context.Context) error) error {
	if s.rests() {
		return errResting
	}
	ctx, cancel := context.WithTimeout(ctx, operationTime)
	defer cancel()
	err := operation(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.rest()
	}
	return err
}

func (s *Store) rests() bool { return time.Now().UnixNano() < s.resting.Load() }
func (s *Store) rest()       { s.resting.Store(time.Now().Add(restTime).UnixNano()) }

// Open implements [mcp.EventStore].
func (s *Store) Open(ctx context.Context, sessionID, streamID string) error {
	return s.within(ctx, func(ctx context.Context) error {
		_, err := s.stream(ctx, sessionID, streamID, true)
		return err
	})
}

// Append implements [mcp.EventStore].
func (s *Store) Append(ctx context.Context, sessionID, streamID string, data []byte) error {
	return s.within(ctx, func(ctx context.Context) error { return s.append(ctx, sessionID, streamID, data) })
}

func (s *Store) append(ctx context.Context, sessionID, streamID string, data []byte) error {
	st, err := s.stream(ctx, sessionID, streamID, false)
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.broken != nil {
		return st.broken
	}
	_, now, err := s.segments(ctx)
	if err != nil {
		return err
	}
	if err := s.take(now, len(data)+overhead); err != nil {
		return err
	}
	if st.segment != now.n {
		st.segment, st.version = now.n, 0
	}
	_, err = now.store.Append(ctx, st.name, eventstore.Expected(st.version), eventstore.Event{
		Type: typeSent, Data: data,
		Metadata: eventstore.Metadata{Extra: map[string]string{extraIndex: strconv.Itoa(st.next)}},
	})
	switch {
	case err == nil:
		st.next++
		st.version++
	case !errors.Is(err, eventstore.ErrNoSpace): // it may be there, and then the indexes are not as the client has them
		st.broken = fmt.Errorf("resume: an earlier event may be kept or not: %w", err)
	}
	return err
}

// take counts bytes against the bound of a segment.
func (s *Store) take(seg *segment, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seg.bytes+int64(n) > s.maxBytes {
		return errFull
	}
	seg.bytes += int64(n)
	return nil
}

// After implements [mcp.EventStore].
func (s *Store) After(ctx context.Context, sessionID, streamID string, index int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		last, now, err := s.segments(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		name, next, found := nameOf(sessionID, streamID), max(index, -1)+1, false
		gone, unknown := errGone, errUnknown
		if last == nil { // it may have them, and can be asked later
			gone, unknown = errMissing, errMissing
		}
		for _, seg := range []*segment{last, now} {
			first, err := seg.first(ctx, name)
			switch {
			case err == nil && first < 0:
				continue
			case err == nil && next < first:
				err = gone
			}
			if err != nil {
				yield(nil, err)
				return
			}
			found = true
			for e, err := range seg.store.ReadStream(ctx, name, int64(next-first)+1, eventstore.Forward) {
				if !yield(e.Data, err) || err != nil {
					return
				}
				next++
			}
		}
		if !found && !s.awaits(sessionID, streamID, next) {
			yield(nil, unknown)
		}
	}
}

// SessionClosed implements [mcp.EventStore]. What was sent goes with its segment.
func (s *Store) SessionClosed(_ context.Context, sessionID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known -= len(s.sessions[sessionID])
	delete(s.sessions, sessionID)
	return nil
}

// nameOf is a stream's name in a segment: who reads it learns no session id.
func nameOf(sessionID, streamID string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(sessionID), sessionID, streamID))
	return hex.EncodeToString(sum[:])
}
