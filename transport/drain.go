package transport

import (
	"context"
	"errors"
	"fmt"
)

// errDrained is the cause with which Drain cancels contexts.
var errDrained = errors.New("transport: drained")

// Drain ends h: it refuses new calls with 503 and Retry-After, ends the
// subscriptions and the standalone streams of sessions without a running call, so
// that their clients go elsewhere, waits until the running calls are answered, and
// then ends the other streams and the sessions, so that [http.Server.Shutdown] has
// nothing to wait for. Notifications, answers to the server's own requests, and
// requests for the answer of a running call are served until then.
//
// A session with a running call keeps its stream, because clients that come back
// for one and are refused give up the session, and with it the answer.
//
// When ctx ends first, Drain cancels the contexts of the calls that are left,
// ends their responses, and returns an error that says how many there were. It
// does not wait for handlers that ignore their context.
//
// Only sessions of h are closed; the server may have others. In a [SessionStore]
// they live on, for other replicas. Drain may be called at any moment,
// repeatedly and concurrently; every call waits.
func (h *HTTPHandler) Drain(ctx context.Context) error {
	h.listens.drain()
	var err error
	drained := h.calls.drain()
	h.calls.endIdleStreams()
	if !within(ctx, drained) {
		if cut := h.calls.cut(); cut > 0 {
			err = fmt.Errorf("transport: drain cut %d calls: %w", cut, context.Cause(ctx))
		}
	}
	h.calls.endStreams()
	h.direct.idle.close()
	return errors.Join(err, h.closeSessions(ctx, err == nil))
}

// within reports whether done is closed before ctx ends.
func within(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// closeSessions ends every session of h, and waits for that if asked to.
func (h *HTTPHandler) closeSessions(ctx context.Context, wait bool) error {
	h.shared.close()
	ending := h.sessions.shutdown()
	if !wait {
		return nil
	}
	for _, s := range ending {
		if !within(ctx, s.gone) {
			return fmt.Errorf("transport: drain left sessions that still close: %w", context.Cause(ctx))
		}
	}
	return nil
}
