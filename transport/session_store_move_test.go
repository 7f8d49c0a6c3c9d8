package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// listening serves r on a loopback port.
func (r *replica) listening(t *testing.T) (url string) {
	t.Helper()
	return newTestServer(t, r.HTTPHandler, r)
}

func TestSessionStore_RequestsThatArriveTogetherRebuildOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, proceed := newSpyStore(), make(chan struct{})
		a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
		id := a.open(t)
		loads := 0
		store.with(func(string) error { loads++; <-proceed; return nil })
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				if w := play(t, b, id, call(strconv.Itoa(i), "log"), nil); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait() // they all wait for one question
		close(proceed)
		all.Wait()
		if opened := drained(b.opened); len(opened) != 1 || count(b.server) != 1 || loads != 1 {
			t.Errorf("opened %q, %d sessions, asked %d times", opened, count(b.server), loads)
		}
	})
}

func TestSessionStore_AnAnswerReachesOnlyTheReplicaThatAsked(t *testing.T) {
	store := newSpyStore()
	a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
	first, second := a.listening(t), b.listening(t)
	id := a.open(t)
	ask := func(url string) (*bufio.Reader, json.RawMessage) {
		res := post(t, url, legacy, call("1", "ask"), inSession(id))
		stream := bufio.NewReader(res.Body)
		var q struct {
			ID json.RawMessage `json:"id"`
		}
		line := dataLine(t, stream, "elicitation/create")
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &q); err != nil {
			t.Fatal(err)
		}
		return stream, q.ID
	}
	answer := func(url string, id2 json.RawMessage, action string) {
		if res := post(t, url, legacy, `{"jsonrpc":"2.0","id":`+string(id2)+`,"result":{"action":"`+action+`"}}`, inSession(id)); res.StatusCode != http.StatusAccepted {
			t.Fatalf("answer: %d", res.StatusCode)
		}
	}
	atA, idA := ask(first)
	atB, idB := ask(second)
	answer(first, idB, "accept") // each would be the other's first question
	answer(second, idA, "accept")
	answer(first, json.RawMessage("1"), "accept") // as go-sdk counts
	answer(first, idA, "decline")
	answer(second, idB, "cancel")
	dataLine(t, atA, "decline")
	dataLine(t, atB, "cancel")
}

func TestSessionStore_AQuestionThatIsGivenUpIsCanceledByItsID(t *testing.T) {
	s, leave := newServer(newGate()), make(chan struct{})
	s.AddTool(&mcp.Tool{Name: "impatient", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		asking, stop := context.WithCancel(ctx)
		stop()
		_, _ = r.Session.Elicit(asking, &mcp.ElicitParams{Message: "sure?"})
		<-leave // go-sdk cancels on a goroutine of its own
		return textResult("done"), nil
	})
	_, ts := serve(t, s, &transport.Options{SessionStore: transport.NewMemorySessionStore(0)})
	stream := bufio.NewReader(post(t, ts.URL, legacy, call("1", "impatient"), inSession(open(t, ts.URL, nil))).Body)
	var asked struct {
		ID string `json:"id"`
	}
	var canceled struct {
		Params struct {
			RequestID string `json:"requestId"`
		} `json:"params"`
	}
	defer close(leave)
	if err := errors.Join(
		json.Unmarshal([]byte(dataLine(t, stream, "elicitation/create")), &asked),
		json.Unmarshal([]byte(dataLine(t, stream, "notifications/cancelled")), &canceled),
	); err != nil {
		t.Fatal(err)
	}
	if asked.ID == "" || asked.ID != canceled.Params.RequestID {
		t.Errorf("asked %+v, canceled %+v", asked, canceled)
	}
}

func TestSessionStore_AFinishedAnswerIsFetchedAtAnotherReplica(t *testing.T) {
	store, events := newSpyStore(), mcp.NewMemoryEventStore(nil)
	opts := transport.Options{SessionStore: store, EventStore: events}
	a, b := newReplica(t, opts), newReplica(t, opts)
	id := a.open(t)
	w := play(t, a, id, call("1", "log"), header("Accept", "text/event-stream, application/json"))
	prime, _, _ := strings.Cut(strings.TrimPrefix(w.Body.String(), "event: prime\nid: "), "\n")
	if err := a.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	resume := func(r http.Handler, last string) *httptest.ResponseRecorder {
		return play(t, r, id, "", func(r *http.Request) { r.Method = http.MethodGet; r.Header.Set("Last-Event-ID", last) })
	}
	if got := resume(b, prime); !strings.Contains(got.Body.String(), "done") {
		t.Errorf("fetched %d %q", got.Code, got.Body)
	}
	if got := resume(b, "NOSUCH_0"); got.Code != http.StatusBadRequest {
		t.Errorf("a stream that never was: %d", got.Code)
	}
	b.delete(t, id)
	for _, err := range events.After(t.Context(), id, strings.TrimSuffix(prime, "_0"), -1) {
		if err == nil {
			t.Error("the events outlive the session")
		}
	}
}

func TestSessionStore_ACallThatStillRunsElsewhereIsAskedForAgain(t *testing.T) {
	store, events, g := newSpyStore(), mcp.NewMemoryEventStore(nil), newGate()
	_, ts := serve(t, newServer(g), &transport.Options{SessionStore: store, EventStore: events})
	b := newReplica(t, transport.Options{SessionStore: store, EventStore: events})
	id := open(t, ts.URL, nil)
	res := post(t, ts.URL, legacy, call("1", "wait"), func(r *http.Request) {
		inSession(id)(r)
		r.Header.Set("Accept", "text/event-stream, application/json")
	})
	<-g.entered
	stream := bufio.NewReader(res.Body)
	prime := ""
	for prime == "" { // it becomes a stream when it takes long
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if last, ok := strings.CutPrefix(line, "id: "); ok {
			prime = strings.TrimSpace(last)
		}
	}
	resume := func() *httptest.ResponseRecorder {
		return play(t, b, id, "", func(r *http.Request) { r.Method = http.MethodGet; r.Header.Set("Last-Event-ID", prime) })
	}
	if w := resume(); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "data:") {
		t.Errorf("too early: %d %q", w.Code, w.Body)
	}
	close(g.leave)
	dataLine(t, stream, "done")
	if w := resume(); !strings.Contains(w.Body.String(), "done") {
		t.Errorf("later: %d %q", w.Code, w.Body)
	}
}

func TestSessionStore_ADeleteWhereTheSessionIsNotLiveForgetsItsEvents(t *testing.T) {
	store, events := newSpyStore(), mcp.NewMemoryEventStore(nil)
	opts := transport.Options{SessionStore: store, EventStore: events}
	a := newReplica(t, opts)
	id := a.open(t)
	w := play(t, a, id, call("1", "log"), header("Accept", "text/event-stream, application/json"))
	stream, _, _ := strings.Cut(strings.TrimPrefix(w.Body.String(), "event: prime\nid: "), "_")
	if err := a.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	newReplica(t, opts).delete(t, id)
	for _, err := range events.After(t.Context(), id, stream, -1) {
		if err == nil {
			t.Error("the events outlive the session")
		}
	}
}

func TestSessionStore_AStandaloneStreamIsResumedAtAnotherReplica(t *testing.T) {
	store, events := newSpyStore(), mcp.NewMemoryEventStore(nil)
	opts := transport.Options{SessionStore: store, EventStore: events}
	a, b := newReplica(t, opts), newReplica(t, opts)
	first, second := a.listening(t), b.listening(t)
	id := a.open(t)
	say := func(r *replica, token string) {
		for s := range r.server.Sessions() {
			if err := s.NotifyProgress(t.Context(), &mcp.ProgressNotificationParams{ProgressToken: token}); err != nil {
				t.Fatal(err)
			}
		}
	}
	say(a, "one")
	_, stream := get(t, first, id, "")
	last := ""
	for last == "" {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		last, _ = strings.CutPrefix(strings.TrimSpace(line), "id: ")
		if !strings.HasPrefix(line, "id: ") {
			last = ""
		}
	}
	dataLine(t, stream, "one")
	say(a, "two")
	b.status(t, id) // live, with an event of its own under the same number
	say(b, "three")
	_, there := get(t, second, id, last)
	var got []string
	for range 2 {
		line := dataLine(t, there, "progressToken")
		for _, token := range []string{"one", "two", "three"} {
			if strings.Contains(line, token) {
				got = append(got, token)
			}
		}
	}
	if !slices.Equal(got, []string{"two", "three"}) {
		t.Errorf("after %s came %q", last, got)
	}
}

func TestSessionStore_WithoutASharedEventStoreNothingCanBeResumed(t *testing.T) {
	a := newReplica(t, transport.Options{SessionStore: newSpyStore()})
	id := a.open(t)
	w := play(t, a, id, call("1", "log"), header("Accept", "text/event-stream, application/json"))
	if strings.Contains(w.Body.String(), "id:") || !strings.Contains(w.Body.String(), "done") {
		t.Errorf("%s", w.Body)
	}
	if w := play(t, a, id, "", func(r *http.Request) { r.Method = http.MethodGet; r.Header.Set("Last-Event-ID", "X_0") }); w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
	}
}
