package transport

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

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
	in := getIncoming()
	defer in.put()
	body, ref := h.readBody(w, r, &in.watch)
	if ref != nil {
		return ref
	}
	if ref := checkJSON(body, h.maxDepth); ref != nil {
		return ref
	}
	messages, batch, ref := in.parse(body, version)
	if ref != nil {
		return ref
	}
	if era.IsModern(version) {
		return h.serveModern(w, r, messages[0], version)
	}
	var id json.RawMessage // of the request, for errors about all of it
	if !batch && !messages[0].isResponse() {
		id = messages[0].id
	}
	if ref = checkMessages(r.Header, messages, version); ref == nil {
		ref = h.serveLegacyPOST(w, r, messages, batch, version)
	}
	if ref != nil && ref.id == nil {
		ref.id = id
	}
	return ref
}

// incoming is what it takes to read a POST. What is made of the messages keeps
// parts of the body, and not the messages.
type incoming struct {
	watch  bodyWatch
	single message
	all    [1]*message
}

var incomings = sync.Pool{New: func() any { return new(incoming) }}

func getIncoming() *incoming {
	in, _ := incomings.Get().(*incoming)
	return in
}

// put gives in back, unless its timer still has a part of it.
func (in *incoming) put() {
	if in.watch.rang {
		return
	}
	*in = incoming{}
	incomings.Put(in)
}

// parse reads the envelopes in body, which checkJSON accepted.
func (in *incoming) parse(body []byte, version string) (messages []*message, batch bool, _ *refusal) {
	if body[strictjson.SkipSpace(body, 0)] != '[' {
		ref := in.single.parse(body)
		in.all[0] = &in.single
		return in.all[:], false, ref
	}
	messages, ref := parseBatch(body, version)
	return messages, true, ref
}

func parseBatch(body []byte, version string) (messages []*message, _ *refusal) {
	if version > lastBatch {
		return nil, invalidRequest("batches are not supported since 2025-06-18")
	}
	var members []json.RawMessage
	if json.Unmarshal(body, &members) != nil || len(members) == 0 || len(members) > maxBatch {
		return nil, invalidRequest(fmt.Sprintf("a batch has 1 to %d messages", maxBatch))
	}
	seen := map[string]bool{}
	for _, member := range members {
		m, ref := parseMessage(member)
		if ref != nil {
			return nil, ref
		}
		if m.method == "initialize" || m.isListen() {
			return nil, invalidRequest("this method cannot be part of a batch").withID(m.id)
		}
		if m.isCall() {
			if seen[idKey(m.id)] {
				return nil, invalidRequest("an id appears twice in the batch").withID(m.id)
			}
			seen[idKey(m.id)] = true
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// checkMessages holds the headers of a legacy request against its body.
func checkMessages(h http.Header, messages []*message, version string) *refusal {
	ref := firstOf(checkSingle(h), checkAccept(h, typeJSON, typeStream))
	for _, m := range messages {
		if ref == nil {
			_, ref = checkNames(m, version)
		}
	}
	return ref
}

// checkNames reads the names in m and refuses unfit ones, and a version that
// differs from the header's.
func checkNames(m *message, version string) (n named, ref *refusal) {
	if m.isResponse() {
		return n, nil
	}
	if n, ref = names(m.params); ref == nil {
		ref = checkVersion(version, n.version)
	}
	return n, ref
}
