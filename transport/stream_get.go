package transport

import (
	"context"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
)

// serveStream runs a GET: it replays, attaches and writes until the stream, the
// session, the token or the client ends. What is in before comes first.
func (h *HTTPHandler) serveStream(w http.ResponseWriter, r *http.Request, st *stream, after int, before []byte) *refusal {
	out := &output{over: make(chan struct{}), queue: &queue{events: before, wake: make(chan struct{}, 1)}}
	out.open(w, h.writes)
	defer out.release()
	if ref := st.attach(r.Context(), out, after); ref != nil {
		return ref
	}
	defer func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.detach(out)
	}()
	// Neither a drain nor the client's leaving waits for a reader that stalls.
	stop := context.AfterFunc(r.Context(), func() { out.hurry(cutTime) })
	defer stop()
	startStream(w)
	// A proxy may hold the header back until there is data.
	if out.write([]byte(": ok\n\n")) == nil {
		h.pump(r.Context(), st, out)
	}
	return nil
}

func startStream(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", typeStream)
	header.Set("Cache-Control", "no-cache, no-transform")
	header.Set("X-Accel-Buffering", "no")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
}

var keepAliveComment = []byte(": keep-alive\n\n")

// pump empties the queue of out.
func (h *HTTPHandler) pump(ctx context.Context, st *stream, out *output) {
	alive := newTicker(h.keepAlive)
	defer alive.Stop()
	expired, stop := tokenEnd(ctx)
	defer stop()
	for {
		events, last := st.take(out)
		if len(events) > 0 && out.write(events) != nil || last {
			return
		}
		select {
		case <-out.queue.wake:
		case <-alive.C:
			if out.write(keepAliveComment) != nil {
				return
			}
		case <-st.s.done:
			st.flush(out)
			return
		case <-expired:
			return
		case <-ctx.Done(): // the client left, or a drain
			st.flush(out)
			return
		case <-out.over:
			st.flush(out)
			return
		}
	}
}

// flush writes what is queued when the response has to end.
func (st *stream) flush(out *output) {
	if events, _ := st.take(out); len(events) > 0 {
		_ = out.write(events) // what is lost can be resumed
	}
}

// take takes the queue of out. last reports that nothing will come after it.
func (st *stream) take(out *output) (events []byte, last bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	q := out.queue
	events, q.events = q.events, nil
	q.first, q.taken = q.taken, st.next
	return events, st.done
}

// newTicker is time.NewTicker for periods that may be zero, which never tick.
func newTicker(period time.Duration) *time.Ticker {
	if period > 0 {
		return time.NewTicker(period)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}

// expiry is when the token of ctx expires; zero means never.
func expiry(ctx context.Context) time.Time {
	if info := auth.TokenInfoFromContext(ctx); info != nil {
		return info.Expiration
	}
	return time.Time{}
}

// tokenEnd returns a channel that tells when the token of ctx expires.
func tokenEnd(ctx context.Context) (<-chan time.Time, func()) {
	at := expiry(ctx)
	if at.IsZero() {
		return nil, func() {}
	}
	t := time.NewTimer(time.Until(at))
	return t.C, func() { t.Stop() }
}
