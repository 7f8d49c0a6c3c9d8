package transport

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A stream is a sequence of events of a session: its standalone stream, or the
// answer to a POST. The events go to the output that is attached, and into the
// store, from which they can be replayed. Both happen under one lock, so that
// no event is lost or doubled between replay and attachment.
type stream struct {
	s  *session
	id string // of the standalone stream: "", or see standalone

	mu     sync.Mutex
	out    *output
	opened bool // the store knows the stream
	next   int  // index of the next event
	sent   int  // index of the first event that no output took
	done   bool // no event will come
}

// fresh attaches where the last output left off.
const fresh = -2

// eventID is `<stream>_<index>`.
func (st *stream) eventID(index int) string { return st.id + "_" + strconv.Itoa(index) }

// parseEventID is the inverse of eventID.
func parseEventID(id string) (stream string, index int, ok bool) {
	stream, number, found := strings.Cut(id, "_")
	index, err := strconv.Atoi(number)
	return stream, index, found && err == nil && index >= 0 && index < math.MaxInt32 && len(id) <= maxEventID
}

// send sends one message.
func (st *stream) send(ctx context.Context, data []byte) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.sendLocked(ctx, "message", data)
}

// sendLocked stores an event and hands it to the output. It fails if neither
// works.
func (st *stream) sendLocked(ctx context.Context, name string, data []byte) error {
	id, stored := "", st.keep(ctx, data)
	if stored {
		id = st.eventID(st.next)
		st.next++
	}
	if st.out != nil {
		if err := st.out.event(name, id, data); err == nil {
			st.sent = st.next
			return nil
		}
		st.detach(st.out)
	}
	if stored {
		return nil
	}
	return errNoReader
}

// keep puts data into the store.
func (st *stream) keep(ctx context.Context, data []byte) bool {
	store := st.s.table.store
	if store == nil {
		return false
	}
	st.s.storing.RLock()
	defer st.s.storing.RUnlock()
	if st.s.forgotten {
		return false
	}
	ctx = context.WithoutCancel(ctx) // what was said is kept, also of a call that is canceled
	if !st.opened {
		if store.Open(ctx, st.s.id, st.id) != nil {
			return false
		}
		st.opened = true
	}
	return store.Append(ctx, st.s.id, st.id, data) == nil
}

// attach replays what came after the event with index after, and makes out the
// stream's output. Nothing is written if it fails.
func (st *stream) attach(ctx context.Context, out *output, after int) *refusal {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.out != nil {
		return refuse(http.StatusConflict, http.StatusConflict, mcperrors.Conflict, "the stream is already open")
	}
	if after == fresh {
		after = st.sent - 1
	} else if after >= st.next {
		return invalidRequest("Last-Event-ID is not of this stream")
	}
	if ref := st.replay(ctx, out.queue, after); ref != nil {
		return ref
	}
	st.out, st.sent = out, st.next
	return nil
}

// replay puts stored events into q.
func (st *stream) replay(ctx context.Context, q *queue, after int) *refusal {
	q.first, q.taken = after+1, after+1
	store := st.s.table.store
	if store == nil || !st.opened {
		return nil
	}
	events := q.events
	for data, err := range store.After(ctx, st.s.id, st.id, after) {
		if err != nil {
			return invalidRequest("the events after Last-Event-ID are not kept any more")
		}
		after++
		if len(data) > 0 { // else it only told the client an id
			events = appendEvent(events, "message", st.eventID(after), 0, data)
		}
	}
	q.events = events
	return nil
}

// detach takes out away, if it is attached. It wants st.mu.
func (st *stream) detach(out *output) {
	if st.out != out {
		return
	}
	st.out = nil
	if out.queue != nil {
		st.sent = out.queue.first // nobody got the rest
	}
}

// deaf reports whether no output is attached.
func (st *stream) deaf() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.out == nil
}
