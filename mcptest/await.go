package mcptest

import (
	"encoding/json"
	"slices"
	"sync"
)

// A Notification is something that a server tells its clients by itself.
type Notification struct {
	method string
	uri    string // of notifications that are about one resource
}

// What [Client.Await] waits for. Changed lists reach clients that are
// [Watching].
var (
	ToolsChanged     = Notification{method: "notifications/tools/list_changed"}
	PromptsChanged   = Notification{method: "notifications/prompts/list_changed"}
	ResourcesChanged = Notification{method: "notifications/resources/list_changed"}
	// Logged is a log message to the client, see [server.LogToClient].
	Logged = Notification{method: "notifications/message"}
)

// Updated is that the resource uri changed, which reaches clients that
// subscribed to it.
func Updated(uri string) Notification {
	return Notification{method: "notifications/resources/updated", uri: uri}
}

// String names n in failures.
func (n Notification) String() string {
	if n.uri == "" {
		return n.method
	}
	return n.method + " of " + n.uri
}

func (n Notification) matches(m recorded) bool {
	return !m.Sent && m.Method == n.method && (n.uri == "" || n.uri == m.Params.URI)
}

// awaited remembers up to which message each notification was waited for.
type awaited struct {
	mu   sync.Mutex
	next map[Notification]int
}

// Await waits for the next notification n, and returns its message. One that
// came since the client connected, and that no Await has returned, counts: it
// does not matter whether the test or the server is faster. It fails the test
// when there is none for as long as [Patience] says.
func (c *Client) Await(n Notification) Message {
	c.tb.Helper()
	timeout, stop := c.patient()
	defer stop()
	for {
		m, grown, ok := c.take(n)
		if ok {
			return m
		}
		select {
		case <-grown:
		case <-timeout:
			hint := ""
			if !c.watching && (n == ToolsChanged || n == PromptsChanged || n == ResourcesChanged) {
				hint = "; connect with mcptest.Watching() to be told of changed lists"
			}
			c.fatalf("no %s came in %v%s%s", n, c.patience, hint, show(c.x.all()))
			return Message{} // where tb does not stop the goroutine
		}
	}
}

// Pending reports whether n came and no [Client.Await] has returned it. It does
// not wait: what is on the way is not seen.
func (c *Client) Pending(n Notification) bool {
	c.await.mu.Lock()
	defer c.await.mu.Unlock()
	messages, _, _ := c.x.since(c.await.next[n])
	return slices.ContainsFunc(messages, n.matches)
}

// take returns the first n that was not taken, or a channel to wait on.
func (c *Client) take(n Notification) (Message, <-chan struct{}, bool) {
	c.await.mu.Lock()
	defer c.await.mu.Unlock()
	messages, next, grown := c.x.since(c.await.next[n])
	if c.await.next == nil {
		c.await.next = map[Notification]int{}
	}
	for i, m := range messages {
		if n.matches(m) {
			c.await.next[n] = next - len(messages) + i + 1
			return m.Message, nil, true
		}
	}
	c.await.next[n] = next
	return Message{}, grown, false
}

// DecodeParams decodes the parameters of a request or notification into v.
func (m Message) DecodeParams(v any) error {
	var message struct {
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(m.Raw, &message); err != nil {
		return err
	}
	return json.Unmarshal(message.Params, v)
}
