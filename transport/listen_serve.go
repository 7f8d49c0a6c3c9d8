package transport

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// serveListen serves subscriptions/listen. Until it is acknowledged its answer
// is that of any call: what refuses it decides the status.
func (h *HTTPHandler) serveListen(w http.ResponseWriter, r *http.Request, m *message, version string) *refusal {
	m.id = bytes.Clone(m.id) // the rest of the body is not needed as long as the stream
	ctx, cancel := context.WithCancelCause(r.Context())
	l := &listen{
		id: m.id, principal: h.principal(r.Context()), cancel: cancel,
		acked: make(chan struct{}), wake: make(chan struct{}, 1),
		call: h.direct.newCall(w, r, m),
	}
	l.call.stream = true
	l.out = &l.call.out
	if ref := h.listens.begin(l, version); ref != nil {
		cancel(nil)
		return ref
	}
	var err error
	if l.passage, err = h.dispatcher.pass(ctx, m, &l.call.extra, l.notify); err != nil {
		h.listens.end(l)
		cancel(nil)
		return unavailable(version)
	}
	defer l.leave(h.listens)
	m.params = nil
	select {
	case <-l.acked:
	case o := <-l.passage.outcome:
		if !l.begun() {
			h.direct.finish(l.call, o)
			return nil
		}
		l.passage.settle(o)
	case <-ctx.Done():
		return unavailable(version)
	}
	l.passage.forget()
	h.pumpListen(ctx, l)
	return nil
}

// pumpListen empties the queue of l until the subscription, the token, the
// client or this handler ends. What go-sdk says at the end is the last event: a
// stream without it was cut, and something may be lost.
func (h *HTTPHandler) pumpListen(ctx context.Context, l *listen) {
	stop := context.AfterFunc(ctx, func() { l.out.hurry(cutTime) })
	defer stop()
	alive := newTicker(h.keepAlive)
	defer alive.Stop()
	expired, forgetToken := tokenEnd(ctx)
	defer forgetToken()
	startStream(l.out.w)
	ended, late := ctx.Done(), (<-chan time.Time)(nil)
	for {
		if events := l.take(); len(events) > 0 && l.out.write(events) != nil {
			return
		}
		select {
		case <-l.wake:
		case <-alive.C:
			if l.out.write(keepAliveComment) != nil {
				return
			}
		case o := <-l.passage.outcome:
			if context.Cause(ctx) != errTooSlow { //nolint:errorlint // one value
				_ = l.out.write(append(l.take(), l.last(o)...)) // the client may be gone
			}
			return
		case <-expired:
			l.cancel(errExpired)
		case <-ended:
			ended, late = nil, time.After(cutTime/2) // for the result, and as long for the end of the response
		case <-late:
			return
		}
	}
}
