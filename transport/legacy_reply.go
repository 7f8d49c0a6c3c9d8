package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/timerqueue"
)

// firstPrime is the protocol version whose clients learn the id of a stream
// before its first message (SEP-1699).
const firstPrime = "2025-11-25"

// primeAfter is how long a call may take before its answer becomes a stream
// that can be resumed. Nearly every client lists JSON first, and from a plain
// answer it would not learn what to resume.
const primeAfter = 100 * time.Millisecond

// A reply is the answer to a POST that carries calls. It is plain JSON, and
// becomes an event stream, its embedded one, when it has to say something
// before the last answer, when it takes long, or when the client prefers it.
type reply struct {
	stream
	h       *HTTPHandler
	request context.Context
	asked   http.Header // of the request
	post    output      // the response of the POST
	batch   bool
	prefers bool // the client lists event streams first
	resumes bool // the client can resume
	started bool // it is a stream
	left    int  // calls without an answer
	answers [][]byte
	pause   timerqueue.Entry // until the next tick
	expires time.Time        // of the token
	unwatch func() bool
}

// begin sets r up, which is new, for a POST. inline says that its calls run on
// the goroutine of the request.
func (r *reply) begin(h *HTTPHandler, w http.ResponseWriter, req *http.Request, s *session, calls []*call, batch, inline bool) {
	r.h, r.request, r.s, r.batch, r.left = h, req.Context(), s, batch, len(calls)
	r.asked = req.Header
	r.post.open(w, h.writes)
	r.prefers = prefersStream(req.Header)
	r.resumes = h.store != nil && s.version >= firstPrime
	r.expires = expiry(r.request)
	if !inline {
		r.post.over = make(chan struct{})
	}
	for _, c := range calls {
		c.reply = r
	}
	if r.resumes {
		h.primes.Add(&r.pause, r)
	} else {
		r.rest()
	}
}

// rest waits until the client is to be told that there is still somebody.
func (r *reply) rest() {
	if r.h.alives != nil {
		r.h.alives.Add(&r.pause, r)
	}
}

// Overdue implements [timerqueue.Overdue]: it turns an answer that takes long
// into a stream, and keeps that alive.
func (r *reply) Overdue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.done || (r.started && r.out == nil):
		return
	case !r.started:
		r.startLocked(r.request)
	case !r.expires.IsZero() && !time.Now().Before(r.expires):
		r.leaveLocked()
		return
	default:
		if r.out.write(keepAliveComment) != nil {
			r.detach(r.out)
			return
		}
	}
	r.rest()
}

// startLocked begins the stream, with an event that tells its id.
func (r *reply) startLocked(ctx context.Context) {
	if r.started {
		return
	}
	r.started = true
	r.out = &r.post
	if r.h.store != nil {
		r.id = rand.Text()
		r.s.offer(r)
	}
	if r.post.alive() {
		startStream(r.post.w)
	}
	if r.resumes {
		_ = r.sendLocked(ctx, "prime", nil)
	} else if r.out.write(nil) != nil {
		r.detach(r.out)
	}
	// A client that leaves frees the stream for its next request.
	r.unwatch = context.AfterFunc(r.request, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.detach(&r.post)
	})
}

// answer sends the answer to c, in two parts, and ends the reply with the last
// one. It reports false if c was answered before. head may be used again
// afterwards.
func (r *reply) answer(c *call, head, tail []byte, err error) bool {
	if !c.taken.CompareAndSwap(false, true) {
		return false
	}
	r.s.finished(c) // the client may use the id again once it has the answer
	r.mu.Lock()
	defer r.mu.Unlock()
	c.done = true
	r.left--
	if r.done {
		return true // cut
	}
	status, refused := r.status(err)
	if r.prefers && status == http.StatusOK {
		r.startLocked(&c.ctx)
	}
	switch {
	case r.started:
		_ = r.sendLocked(&c.ctx, "message", slices.Concat(head, tail)) // the client is gone and nothing is kept
	case r.batch:
		r.answers = append(r.answers, slices.Concat(head, tail))
	default:
		r.writeJSON(head, tail, status, refused)
	}
	if r.left > 0 {
		return true
	}
	if r.batch && !r.started {
		r.writeJSON(joined(r.answers), nil, status, refused)
	}
	r.finishLocked()
	return true
}

// joined makes a batch of answers.
func joined(answers [][]byte) []byte {
	return append(append([]byte("["), bytes.Join(answers, []byte(","))...), ']')
}

// closing tells the client not to use the connection again: a handler holds it.
func (r *reply) closing() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started && !r.done && r.post.over == nil {
		r.post.w.Header().Set("Connection", "close")
	}
}

// endEarly ends the response after its last answer, though a handler still
// holds the goroutine of the request. A stream has said all there is to say and
// ends with the handler: the client could not be told any more that the
// connection goes with it, and would send its next request there.
func (r *reply) endEarly() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 && !r.started {
		r.post.end()
	}
}

// status is the HTTP status for the outcome of a call, and the error that the
// header should tell of, if there is one.
func (r *reply) status(err error) (status int, refused *mcperrors.Error) {
	if err == nil || r.batch {
		return http.StatusOK, nil
	}
	if err == errNoMethod { //nolint:errorlint // one value, which no handler has
		return http.StatusBadRequest, nil
	}
	e := mcperrors.From(wireError(err)) // err itself may be anybody's, and panic
	return e.Code.HTTPStatus(r.s.version), e
}

func (r *reply) writeJSON(head, tail []byte, status int, refused *mcperrors.Error) {
	if !r.post.alive() {
		return
	}
	if refused != nil {
		header := r.post.w.Header()
		setRetryAfter(header, status, refused.RetryAfter)
		r.h.challenge(header, r.asked, status, refused)
	}
	r.post.writeJSON(status, head, tail)
}

// finishLocked says that nothing will come.
func (r *reply) finishLocked() {
	r.done = true
	r.pause.Remove()
	if r.unwatch != nil {
		r.unwatch()
	}
	if r.started && r.h.store != nil {
		r.s.withdraw(r)
	}
	if r.out != nil && r.out.queue != nil {
		r.out.queue.stir() // a GET has it
	}
	if r.post.over != nil {
		r.post.stop()
	}
}

// abandon undoes newReply.
func (r *reply) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finishLocked()
}

// poll ends the response, which the client fetches later (SEP-1699). Without a
// way to fetch it nothing happens.
func (r *reply) poll(retry time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done || r.h.store == nil {
		return
	}
	if r.resumes {
		r.startLocked(r.request)
	}
	if r.out == nil || r.next == 0 {
		return // nobody is there, or knows what to ask for
	}
	if retry > 0 && r.resumes {
		if q := r.out.queue; q != nil {
			q.events = appendEvent(q.events, "close", "", retry, nil)
		} else if r.out.write(appendEvent(nil, "close", "", retry, nil)) != nil {
			r.detach(r.out)
			return
		}
	}
	r.leaveLocked()
}

// leaveLocked ends the response and leaves the stream to who resumes it.
func (r *reply) leaveLocked() {
	out := r.out
	r.detach(out)
	out.end()
}

// cut ends the reply before its calls are answered, with an error for each.
func (r *reply) cut(calls []*call) {
	r.post.hurry(cutTime)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return
	}
	err := &mcperrors.Error{Code: mcperrors.Unavailable, Message: "the server shut down before the call was answered"}
	for _, c := range calls {
		if c.done {
			continue
		}
		if data := encodeError(c.id, err); r.started {
			_ = r.sendLocked(r.request, "message", data)
		} else {
			r.answers = append(r.answers, data)
		}
	}
	if !r.started {
		body := r.answers[0]
		if r.batch {
			body = joined(r.answers)
		}
		status, refused := r.status(err)
		r.writeJSON(body, nil, status, refused)
	}
	r.finishLocked()
	r.post.end()
}

// cutTime is how long a reader has to take the end of a reply that is cut.
const cutTime = 200 * time.Millisecond
