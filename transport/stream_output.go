package transport

import (
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trestle-mcp/trestle/internal/timerqueue"
)

// maxQueue bounds, in bytes, what waits for the reader of a GET.
const maxQueue = 1 << 20

// An output is a response that carries events. That of a POST is written by
// who sends the event: a call waits for its own reader only. That of a GET has
// a queue, which its own goroutine empties, as everybody writes there.
//
// Its stream's lock guards it, but for the deadline.
type output struct {
	w      http.ResponseWriter
	writes *timerqueue.Queue // how long one write may take; nil: for ever
	wait   timerqueue.Entry  // for it
	over   chan struct{}     // closed when the response is to end; nil if end hijacks

	length [1]string // for the header of that name

	queue *queue // nil for a POST
	ended bool

	mu   sync.Mutex  // held to set dead
	dead atomic.Bool // the response may be somebody else's
}

// A queue is what waits for the reader of a GET.
type queue struct {
	events []byte
	first  int           // index of the first event that is not written
	taken  int           // what first becomes when what was taken is written
	wake   chan struct{} // told when there is something to do
}

// open makes o the response w.
func (o *output) open(w http.ResponseWriter, writes *timerqueue.Queue) {
	o.w, o.writes = w, writes
}

func (o *output) control() *http.ResponseController { return http.NewResponseController(o.w) }

var errOverflow = errors.New("transport: the reader is too slow")

// event writes or queues an event.
func (o *output) event(name, id string, data []byte) error {
	q := o.queue
	if q == nil {
		return o.write(appendEvent(nil, name, id, 0, data))
	}
	if len(q.events)+len(data) > maxQueue && len(q.events) > 0 {
		q.events = nil // what is lost can be resumed
		o.stop()
		return errOverflow
	}
	q.events = appendEvent(q.events, name, id, 0, data)
	q.stir()
	return nil
}

// stir wakes the goroutine that empties the queue.
func (q *queue) stir() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// write writes all parts and flushes.
func (o *output) write(parts ...[]byte) error {
	if !o.alive() {
		return os.ErrDeadlineExceeded
	}
	if o.writes != nil {
		o.writes.Add(&o.wait, o)
		defer o.wait.Remove() // if that is too late, the connection is lost
	}
	for _, p := range parts {
		if _, err := o.w.Write(p); err != nil {
			return err
		}
	}
	return o.control().Flush()
}

// writeJSON answers with one message, of two parts. The length is told because
// the answer is flushed here, where the time for it is watched, and not by
// net/http.
func (o *output) writeJSON(status int, head, tail []byte) {
	header := o.w.Header()
	header["Content-Type"] = headerJSON
	setAnswerHeader(header)
	o.length[0] = strconv.Itoa(len(head) + len(tail))
	header["Content-Length"] = o.length[:]
	o.w.WriteHeader(status)
	if len(tail) == 0 {
		_ = o.write(head) // the client may be gone
		return
	}
	_ = o.write(head, tail) // likewise
}

func (o *output) alive() bool { return !o.dead.Load() }

// Overdue implements [timerqueue.Overdue]: the reader has stalled.
func (o *output) Overdue() { o.hurry(0) }

// hurry leaves a write that stalls, and all later ones of this request, only so
// much time: net/http takes the deadline back before the next.
func (o *output) hurry(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.alive() {
		_ = o.control().SetWriteDeadline(time.Now().Add(d)) // not every writer has deadlines
	}
}

// release says that the response is finished by net/http.
func (o *output) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dead.Store(true)
}

// stop ends a response that has a goroutine of its own.
func (o *output) stop() {
	if !o.ended {
		o.ended = true
		close(o.over)
	}
}

// end ends the response before its handler returns: it is complete for the
// client, though over a connection that is closed after it.
func (o *output) end() {
	switch {
	case o.ended:
		return
	case o.over != nil:
		o.stop()
		return
	}
	o.ended = true
	_ = o.control().Flush() // Hijack would drop what net/http has buffered
	conn, buffered, err := o.control().Hijack()
	if err != nil {
		return
	}
	o.release()
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	if o.w.Header().Get("Content-Length") == "" {
		_, _ = buffered.WriteString("0\r\n\r\n") // the end of a chunked body
	}
	_ = buffered.Flush()
	closeGently(conn)
}

// closeGently closes the sending half first, so that what was sent is read.
func closeGently(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = conn.Close()
}

// canHijack reports whether end can work without a goroutine of its own.
func canHijack(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		return false
	}
	for {
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
		wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = wrapped.Unwrap()
	}
}
