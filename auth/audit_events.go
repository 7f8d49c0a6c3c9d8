package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/trestle-mcp/trestle/eventstore"
)

// AuditEvent is the type of the events that an [EventSink] appends. Their data
// is the JSON of an [AuditRecord].
const AuditEvent = "audit.recorded"

// An EventSink appends audit records to an event store: each is durable before
// its call is answered, and nothing takes it out again. Make one with
// [NewEventSink]; there is nothing to close but the store.
//
// The records of a day (UTC) are one stream, "audit-2026-11-05", so that a gap in
// its versions would show, and no stream grows for ever. Records that come while
// others are being stored are stored together, with one commit.
//
// The event has the id and the time of the record. Its correlation is the trace
// id, or the request id where there is none; its causation is the request id.
type EventSink struct {
	store  *eventstore.Store
	prefix string

	mu      sync.Mutex
	waiting []*auditEntry
	storing bool // a goroutine stores what waits
}

// An auditEntry is a record that somebody waits for.
type auditEntry struct {
	record *AuditRecord
	stored chan error // takes one
}

var _ BatchSink = (*EventSink)(nil)

// NewEventSink returns a sink over a store. Streams are named by a prefix and the
// day; "" means "audit-". Replicas share a store and its streams.
func NewEventSink(store *eventstore.Store, prefix string) *EventSink {
	return &EventSink{store: store, prefix: cmp.Or(prefix, "audit-")}
}

// Stream returns the name of the stream that holds a record.
func (s *EventSink) Stream(r *AuditRecord) string {
	return s.prefix + r.Time.UTC().Format("2006-01-02")
}

// Audit implements [Sink]. When ctx ends first, the record may be kept or not;
// given again, it is kept once.
func (s *EventSink) Audit(ctx context.Context, r *AuditRecord) error {
	e := &auditEntry{r, make(chan error, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, e)
	if !s.storing {
		s.storing = true
		go s.run() // ends when nothing waits
	}
	s.mu.Unlock()
	select {
	case err := <-e.stored:
		return err
	case <-ctx.Done():
		s.leave(e)
		return ctx.Err()
	}
}

// leave takes back what nobody waits for any more, unless it is being stored.
func (s *EventSink) leave(e *auditEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, e); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

func (s *EventSink) run() {
	for {
		s.mu.Lock()
		n := min(len(s.waiting), maxBatch)
		batch := slices.Clone(s.waiting[:n])
		s.waiting = slices.Delete(s.waiting, 0, n)
		s.storing = n > 0
		s.mu.Unlock()
		if n == 0 {
			return
		}
		s.serve(batch)
	}
}

// serve stores a batch; or its records one by one, if one of them keeps the
// others from being stored.
func (s *EventSink) serve(batch []*auditEntry) {
	records := make([]*AuditRecord, len(batch))
	for i, e := range batch {
		records[i] = e.record
	}
	err := s.append(records...)
	for _, e := range batch {
		if len(batch) > 1 && isAboutOne(err) {
			e.stored <- s.append(e.record)
			continue
		}
		e.stored <- err
	}
}

func (s *EventSink) append(records ...*AuditRecord) error {
	return inAuditTime(context.Background(), func(ctx context.Context) error { return s.AuditBatch(ctx, records) })
}

// isAboutOne reports whether an append failed for one of its events: an earlier
// try to keep it was stored, or it is one that the store does not take.
func isAboutOne(err error) bool {
	var duplicate *eventstore.DuplicateError
	var invalid *eventstore.InvalidError
	return errors.As(err, &duplicate) || errors.As(err, &invalid)
}

// AuditBatch implements [BatchSink].
func (s *EventSink) AuditBatch(ctx context.Context, records []*AuditRecord) error {
	for len(records) > 0 {
		stream, n := s.Stream(records[0]), 1
		for n < len(records) && s.Stream(records[n]) == stream {
			n++
		}
		events := make([]eventstore.Event, n)
		for i, r := range records[:n] {
			var err error
			if events[i], err = auditEvent(r); err != nil {
				return err
			}
		}
		if _, err := s.store.Append(ctx, stream, eventstore.Any, events...); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func auditEvent(r *AuditRecord) (eventstore.Event, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return eventstore.Event{}, err
	}
	request := idText(r.RequestID)
	return eventstore.Event{
		ID: r.ID, Type: AuditEvent, Time: r.Time, Data: data,
		Metadata: eventstore.Metadata{Correlation: cmp.Or(r.TraceID, request), Causation: request},
	}, nil
}
