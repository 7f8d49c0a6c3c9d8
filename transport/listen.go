package transport

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	methodListen       = "subscriptions/listen"
	methodAcknowledged = "notifications/subscriptions/acknowledged"
)

// maxListenQueue bounds, in bytes, what waits for the reader of a subscription.
// What is sent there is small, and there may be thousands of them.
const maxListenQueue = 256 << 10

// The causes with which a subscription ends, beside errDrained.
var (
	errTooSlow = errors.New("transport: the reader is too slow")
	errExpired = errors.New("transport: the token has expired")
)

// A listen is a subscription of 2026-07-28: the request, in a session of
// go-sdk's own since go-sdk counts subscriptions by session, and the stream of
// its response. Notifications wait in a queue that the goroutine of the request
// empties, because go-sdk broadcasts to one listener after the other.
type listen struct {
	id        json.RawMessage // as the client spells it
	principal string
	passage   *passage
	call      *modernCall // answers a request that is refused
	out       *output
	cancel    context.CancelCauseFunc
	acked     chan struct{} // closed when the stream may begin
	wake      chan struct{} // told when there is something to write

	mu    sync.Mutex
	queue []byte
	over  bool // nothing more is queued
}

// notify queues a notification that was sent in the session. The first is the
// acknowledgement, also where a change overtakes it in go-sdk. What was sent to
// no subscription is not what the client asked for.
func (l *listen) notify(_ context.Context, req *jsonrpc.Request) error {
	data := append(append([]byte(`{"jsonrpc":"2.0","method":`), appendText(nil, req.Method)...), `,"params":`...)
	data, subscribed := appendReplaced(data, req.Params, l.id, "_meta", mcp.MetaKeySubscriptionID)
	if !subscribed {
		return errNoStream
	}
	event := appendEvent(nil, "message", "", 0, append(data, '}'))
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over:
		return errNoStream
	case req.Method == methodAcknowledged && !l.begun():
		l.queue = append(event, l.queue...)
		close(l.acked)
	case len(l.queue) > 0 && len(l.queue)+len(event) > maxListenQueue:
		l.over, l.queue = true, nil
		l.cancel(errTooSlow)
		return errNoStream
	default:
		l.queue = append(l.queue, event...)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// begun reports whether the subscription is acknowledged.
func (l *listen) begun() bool {
	select {
	case <-l.acked:
		return true
	default:
		return false
	}
}

// take takes the queue.
func (l *listen) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.queue
	l.queue = nil
	return events
}

// last is the event that ends the stream.
func (l *listen) last(o outcome) []byte {
	var data []byte
	if o.err == nil {
		var tail []byte
		data, tail, o.err = l.call.encode(nil, o.res)
		data = append(data, tail...)
	}
	if o.err == nil {
		data, _ = appendReplaced(nil, data, l.id, "result", "_meta", mcp.MetaKeySubscriptionID)
	} else {
		data = encodeError(l.id, o.err)
	}
	return appendEvent(nil, "message", "", 0, data)
}

// leave ends what the stream needed. It wants the response not to be written
// any more, and does not wait for middleware that ignores its context.
func (l *listen) leave(book *listens) {
	l.cancel(nil)
	l.out.release()
	go func() { // ends with the handler
		l.passage.end()
		book.end(l)
	}()
}
