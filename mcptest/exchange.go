package mcptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// A Message is a JSON-RPC message that went over the wire.
type Message struct {
	Sent bool            // by the client
	Raw  json.RawMessage // as it went, without line ends
}

// longest is how much of a message is shown.
const longest = 4096

// String shows the message as people read it: an arrow, and what went, cut if it
// is long.
func (m Message) String() string {
	arrow := "<--"
	if m.Sent {
		arrow = "-->"
	}
	if len(m.Raw) > longest {
		return fmt.Sprintf("%s %s … %d bytes more", arrow, m.Raw[:longest], len(m.Raw)-longest)
	}
	return fmt.Sprintf("%s %s", arrow, m.Raw)
}

// envelope is what the harness needs to know of a message.
type envelope struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		ProgressToken any    `json:"progressToken"`
		URI           string `json:"uri"`
		Meta          struct {
			ProgressToken any `json:"progressToken"`
		} `json:"_meta"`
	} `json:"params"`
}

// exchangeLimit bounds what a client remembers; the oldest is forgotten first.
const exchangeLimit = 10_000

// An exchange remembers what went over a wire, in order, and tells who waits.
type exchange struct {
	mu       sync.Mutex
	messages []recorded
	dropped  int           // how many messages are forgotten
	grown    chan struct{} // closed and replaced when a message comes
}

type recorded struct {
	Message
	envelope
}

func newExchange() *exchange { return &exchange{grown: make(chan struct{})} }

// add takes one message, or a batch of them, and copies it.
func (x *exchange) add(sent bool, raw []byte) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return
	}
	m := recorded{Message: Message{Sent: sent, Raw: bytes.Clone(raw)}}
	_ = json.Unmarshal(raw, &m.envelope) // what is not an envelope is shown all the same
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.messages) == exchangeLimit {
		x.messages = append(x.messages[:0], x.messages[exchangeLimit/2:]...)
		x.dropped += exchangeLimit / 2
	}
	x.messages = append(x.messages, m)
	close(x.grown)
	x.grown = make(chan struct{})
}

// all returns everything that is remembered.
func (x *exchange) all() []recorded {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]recorded(nil), x.messages...)
}

// since returns the messages from the n-th on, the number of the next one, and
// a channel that is closed when there is one.
func (x *exchange) since(n int) (messages []recorded, next int, grown <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	from := min(max(n-x.dropped, 0), len(x.messages))
	return append([]recorded(nil), x.messages[from:]...), x.dropped + len(x.messages), x.grown
}

// of returns the messages that belong to the request sent with a progress
// token: the request and those it led to under other ids, their answers,
// notifications with the token, and requests of the server in between.
func (x *exchange) of(token string) []recorded {
	var found []recorded
	open := map[string]bool{} // ids of the client's requests that wait for an answer
	asked := map[string]bool{}
	for _, m := range x.all() {
		id := string(m.ID)
		switch {
		case m.Sent && m.Method != "" && m.Params.Meta.ProgressToken == token:
			open[id] = true
		case !m.Sent && m.Method == "" && open[id]:
			delete(open, id)
		case !m.Sent && m.Method != "" && m.Params.ProgressToken == token:
		case !m.Sent && m.Method != "" && id != "" && len(open) > 0:
			asked[id] = true
		case m.Sent && m.Method == "" && asked[id]:
			delete(asked, id)
		default:
			continue
		}
		found = append(found, m)
	}
	return found
}

// show writes messages one a line.
func show(messages []recorded) string {
	var b strings.Builder
	for _, m := range messages {
		b.WriteString("\n  " + m.String())
	}
	return b.String()
}
