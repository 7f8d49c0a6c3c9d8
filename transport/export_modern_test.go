package transport

import (
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// AppendResult encodes a response.
func AppendResult(res mcp.Result, isModern bool, info json.RawMessage) ([]byte, error) {
	return appendResult(nil, json.RawMessage("1"), "", res, isModern, info)
}

// AppendEvent frames an event.
func AppendEvent(name, id string, retry time.Duration, data []byte) []byte {
	return appendEvent(nil, name, id, retry, data)
}

// DecodeValue decodes checked JSON.
func DecodeValue(data []byte) any { return decodeValue(data) }

// DecodeRequest decodes the parameters of a method.
func DecodeRequest(method string, params json.RawMessage) (mcp.Request, error) {
	req, ref := newDispatcher(nil).request(nil, method, params, nil)
	if ref != nil {
		return nil, ref.err
	}
	return req, nil
}

// ServerIdentity returns what was found out about the server.
func (h *HTTPHandler) ServerIdentity() (versions []string, info string) {
	found := h.direct.identity()
	return found.versions, string(found.info)
}

// Remembered returns how many tools the handler knows the headers of.
func (h *HTTPHandler) Remembered() int { return len(*h.direct.tools.headers.Load()) }

// Listens returns how many subscriptions are counted.
func (h *HTTPHandler) Listens() int {
	h.listens.mu.Lock()
	defer h.listens.mu.Unlock()
	return len(h.listens.open) + len(h.listens.of)
}

// AppendReplaced replaces a member of an object.
func AppendReplaced(data, value []byte, path ...string) ([]byte, bool) {
	return appendReplaced(nil, data, value, path...)
}

// ClosedPassage returns the answer to a request whose session is closed before
// go-sdk has read it.
func ClosedPassage() error {
	p := &passage{loopConn: newLoopConn(), outcome: make(chan outcome, 1), request: &jsonrpc.Request{}}
	_ = p.Close()
	p.put(p.request)
	select {
	case o := <-p.outcome:
		return o.err
	default:
		return nil
	}
}
