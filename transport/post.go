package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// maxBatch bounds a batch, and lastBatch is the last protocol version that has
// them.
const (
	maxBatch  = 32
	lastBatch = "2025-03-26"
)

// servePOST serves a message, or a legacy batch of them.
func (h *HTTPHandler) servePOST(w http.ResponseWriter, r *http.Request, version string) *refusal {
	if ref := checkContent(r.Header); ref != nil {
		return ref
	}
	body, ref := h.readBody(w, r)
	if ref != nil {
		return ref
	}
	if ref := checkJSON(body, h.maxDepth); ref != nil {
		return ref
	}
	messages, batch, ref := parseBody(body, version)
	if ref != nil {
		return ref
	}
	if era.IsModern(version) {
		return h.serveModern(w, r, body, messages[0], version)
	}
	var id json.RawMessage // of the request, for errors about all of it
	if !batch && !messages[0].isResponse() {
		id = messages[0].id
	}
	header, ref := h.checkPOST(r, messages, version)
	if ref != nil {
		return ref.withID(id)
	}
	if era.IsModern(version) {
		ref = h.passPOST(w, r, header, body, messages, version, id)
	} else {
		ref = h.serveLegacyPOST(w, r, messages, batch, version)
	}
	if ref != nil && ref.id == nil {
		ref.id = id
	}
	return ref
}

// parseBody reads the envelopes in body, which checkJSON accepted.
func parseBody(body []byte, version string) (messages []*message, batch bool, _ *refusal) {
	if body[strictjson.SkipSpace(body, 0)] != '[' {
		m, ref := parseMessage(body)
		return []*message{m}, false, ref
	}
	if version > lastBatch {
		return nil, true, invalidRequest("batches are not supported since 2025-06-18")
	}
	var members []json.RawMessage
	if json.Unmarshal(body, &members) != nil || len(members) == 0 || len(members) > maxBatch {
		return nil, true, invalidRequest(fmt.Sprintf("a batch has 1 to %d messages", maxBatch))
	}
	seen := map[string]bool{}
	for _, member := range members {
		m, ref := parseMessage(member)
		if ref != nil {
			return nil, true, ref
		}
		if m.method == "initialize" || m.isListen() {
			return nil, true, invalidRequest("this method cannot be part of a batch").withID(m.id)
		}
		if m.isCall() {
			if seen[idKey(m.id)] {
				return nil, true, invalidRequest("an id appears twice in the batch").withID(m.id)
			}
			seen[idKey(m.id)] = true
		}
		messages = append(messages, m)
	}
	return messages, true, nil
}

// checkPOST holds the headers of r against its body and returns them as go-sdk
// needs them.
func (h *HTTPHandler) checkPOST(r *http.Request, messages []*message, version string) (http.Header, *refusal) {
	ref := firstOf(checkSingle(r.Header), checkAccept(r.Header, typeJSON, typeStream))
	if ref == nil && !era.IsModern(version) {
		ref = h.checkSession(r)
	}
	header := r.Header
	for _, m := range messages {
		if ref != nil {
			return nil, ref
		}
		if m.isResponse() {
			continue
		}
		var n named
		if n, ref = names(m.params); ref == nil {
			ref = checkVersion(version, n.version)
		}
		if ref == nil && era.IsModern(version) {
			header, ref = routed(header, m, n)
		}
	}
	if r.Header.Get("Accept") == "" { // go-sdk wants the header, curl does not
		header = with(header, "Accept", typeJSON+", "+typeStream)
	}
	return header, ref
}

// routed checks the routing headers of a modern message. go-sdk compares
// Mcp-Name as it is sent, so an encoded one is replaced.
func routed(header http.Header, m *message, n named) (http.Header, *refusal) {
	name, ref := checkRouting(header, m, n)
	if ref == nil && name != header.Get(headerName) {
		header = with(header, headerName, name)
	}
	return header, ref
}

// with returns a copy of h with one value replaced.
func with(h http.Header, name, value string) http.Header {
	h = maps.Clone(h)
	h.Set(name, value)
	return h
}

// passPOST hands the message to go-sdk, unless this handler is draining and it
// carries a call.
func (h *HTTPHandler) passPOST(w http.ResponseWriter, r *http.Request, header http.Header, body []byte,
	messages []*message, version string, id json.RawMessage,
) *refusal {
	r, e := newExchange(r, "")
	defer e.cancel(nil)
	r.Header, r.Body, r.ContentLength = header, io.NopCloser(bytes.NewReader(body)), int64(len(body))
	listen := messages[0].isListen()
	e.ids = map[string]json.RawMessage{}
	for _, m := range messages {
		if m.isCall() && !listen {
			e.ids[idKey(m.id)] = m.id
		}
	}
	switch {
	case listen:
		if ref := h.calls.beginStream(e, version); ref != nil {
			return ref
		}
		defer h.calls.endStream(e)
	case len(e.ids) > 0:
		if ref := h.calls.begin(e, version); ref != nil {
			return ref
		}
		defer h.calls.end(e)
	}
	// What carries no call passes, also during a drain: a running call may wait
	// for it.
	h.pass(h.modern, w, r, id)
	return nil
}
