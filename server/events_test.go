package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/server"
)

// eventsPolicy: only those who hold both may read a stream.
var eventsPolicy = auth.PolicySpec{Roles: map[string][]string{
	"admin":   {"*"},
	"auditor": {"read:resources:events://*", "admin:access"},
	"half":    {"read:resources:events://*"},
	"other":   {"read:resources:events://other-*", "admin:access"},
	"nobody":  {"execute:tools:x"},
}}

// keyRing has the keys of subjects in memory.
type keyRing struct {
	mu   sync.Mutex
	keys map[string][]byte // nil: destroyed
}

func (k *keyRing) Key(_ context.Context, subject string, create bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, found := k.keys[subject]
	switch {
	case found && key == nil:
		return nil, eventstore.ErrKeyDestroyed
	case !found && create:
		key = make([]byte, 32)
		_, _ = rand.Read(key)
		k.keys[subject] = key
	}
	return key, nil
}

func newEventsServer(t *testing.T) (*eventstore.Store, *keyRing, string) {
	t.Helper()
	keys := &keyRing{keys: map[string][]byte{}}
	store := eventstore.New(eventstore.NewMemory(), &eventstore.Options{Keys: keys})
	srv, _ := newServer(t, server.Options{Auth: roleGuard(t), Policy: policyOf(t, eventsPolicy), Events: store})
	return store, keys, serveHTTP(t, srv)
}

func appendTo(t *testing.T, s *eventstore.Store, stream string, events ...eventstore.Event) {
	t.Helper()
	if _, err := s.Append(t.Context(), stream, eventstore.Any, events...); err != nil {
		t.Fatal(err)
	}
}

func (p *peer) readURI(t *testing.T, uri string) string {
	t.Helper()
	return p.ask(t, "resources/read", fmt.Sprintf(`"uri":%q`, uri), uri)
}

// page reads a page of events.
func (p *peer) page(t *testing.T, uri string) server.EventsPage {
	t.Helper()
	got := p.readURI(t, uri)
	_, body, _ := strings.Cut(got, "\n")
	body = body[strings.IndexByte(body, '{'):]
	if i := strings.LastIndexByte(body, '}'); i >= 0 {
		body = body[:i+1]
	}
	var answer struct {
		Result struct {
			Contents []struct{ URI, MIMEType, Text string }
		}
	}
	var page server.EventsPage
	mustAdd(t, json.Unmarshal([]byte(body), &answer))
	if c := answer.Result.Contents; len(c) != 1 || c[0].MIMEType != "application/json" || c[0].URI != uri {
		t.Fatalf("%s: %.300s", uri, got)
	}
	mustAdd(t, json.Unmarshal([]byte(answer.Result.Contents[0].Text), &page))
	return page
}

func TestEvents_AnAdminReadsAStreamPageByPage(t *testing.T) {
	store, _, url := newEventsServer(t)
	const stream = "order/17 ü?#%:@&=+$"
	var all []eventstore.Event
	for i := range 250 {
		all = append(all, eventstore.Event{ID: fmt.Sprint("e", i), Type: "t", Schema: 2, Data: []byte(`{"n":9007199254740993}`), Metadata: eventstore.Metadata{Correlation: "c"}})
	}
	appendTo(t, store, stream, all...)
	for _, version := range eras {
		p := newPeer(t, url, version, "ann/auditor/")
		var got []server.EventInfo
		pages := 0
		for uri := "events://order%2F17%20%C3%BC%3F%23%25%3A%40%26%3D%2B%24"; uri != ""; pages++ {
			page := p.page(t, uri)
			if page.Stream != stream || len(page.Events) > 100 {
				t.Fatalf("%q with %d events", page.Stream, len(page.Events))
			}
			got, uri = append(got, page.Events...), page.Next
		}
		if pages != 3 || len(got) != 250 {
			t.Fatalf("%s: %d pages, %d events", version, pages, len(got))
		}
		for i, e := range got {
			if e.ID != all[i].ID || e.Version != int64(i+1) || e.Schema != 2 || string(e.Data) != `{"n":9007199254740993}` || e.Metadata.Correlation != "c" || e.Position.IsZero() || e.Time.IsZero() {
				t.Fatalf("%d: %+v", i, e)
			}
		}
		if page := p.page(t, "events://order%2F17%20%C3%BC%3F%23%25%3A%40%26%3D%2B%24?from=250"); len(page.Events) != 1 || page.Next != "" {
			t.Errorf("the last one: %+v", page)
		}
		if page := p.page(t, "events://order%2F17%20%C3%BC%3F%23%25%3A%40%26%3D%2B%24?from=1000"); len(page.Events) != 0 || page.Next != "" {
			t.Errorf("behind the end: %+v", page)
		}
		for _, from := range []string{"-1", "x", "1.5", "99999999999999999999"} {
			if got := p.readURI(t, "events://a?from="+from); !strings.Contains(got, "-32602") {
				t.Errorf("from %s: %s", from, got)
			}
		}
	}
}

func TestEvents_SayWhatCannotBeShown(t *testing.T) {
	store, keys, url := newEventsServer(t)
	appendTo(t, store, "s",
		eventstore.Event{ID: "gone", Type: "t", Data: []byte(`"hunter2"`), Metadata: eventstore.Metadata{Subject: "joe"}},
		eventstore.Event{ID: "there", Type: "t", Data: []byte(`"text"`), Metadata: eventstore.Metadata{Subject: "ann"}},
		eventstore.Event{ID: "bytes", Type: "t", Data: []byte{0xff, 0}},
		eventstore.Event{ID: "none", Type: "t"},
		eventstore.Event{ID: "large", Type: "t", Data: bytes.Repeat([]byte("1"), 300<<10)},
	)
	keys.mu.Lock()
	keys.keys["joe"] = nil
	keys.mu.Unlock()
	p := newPeer(t, url, eras[1], "ann/admin/")
	events := p.page(t, "events://s").Events
	if len(events) != 5 {
		t.Fatalf("%+v", events)
	}
	if e := events[0]; !e.Erased || e.Data != nil || e.Base64 != nil {
		t.Errorf("erased: %+v", e)
	}
	if e := events[1]; e.Erased || string(e.Data) != `"text"` {
		t.Errorf("with a key: %+v", e)
	}
	if e := events[2]; !bytes.Equal(e.Base64, []byte{0xff, 0}) || e.Data != nil {
		t.Errorf("bytes: %+v", e)
	}
	if e := events[4]; e.Omitted != 300<<10 || e.Data != nil {
		t.Errorf("large: %d, %d", e.Omitted, len(e.Data))
	}
}

func TestEvents_APageIsBounded(t *testing.T) {
	store, _, url := newEventsServer(t)
	for i := range 20 {
		appendTo(t, store, "s", eventstore.Event{
			ID: fmt.Sprint(i), Type: "t", Data: bytes.Repeat([]byte{0xff}, 60<<10), // more as base64
			Metadata: eventstore.Metadata{Extra: map[string]string{"x": strings.Repeat("x", 15<<10)}},
		})
	}
	p := newPeer(t, url, eras[1], "ann/admin/")
	n := 0
	for uri := "events://s"; uri != ""; {
		if got := p.readURI(t, uri); len(got) > 400<<10 {
			t.Errorf("%s: %d bytes", uri, len(got))
		}
		page := p.page(t, uri)
		n, uri = n+len(page.Events), page.Next
	}
	if n != 20 {
		t.Errorf("%d events", n)
	}
}

func TestEvents_AreHiddenLikeWhatIsAbsentFromAllOthers(t *testing.T) {
	store, _, url := newEventsServer(t)
	appendTo(t, store, "there", eventstore.Event{Type: "t", Data: []byte(`"hunter2"`)})
	appendTo(t, store, "ended", eventstore.Event{Type: "t"})
	mustAdd(t, store.Tombstone(t.Context(), "ended", eventstore.Any))
	for _, version := range eras {
		for _, token := range []string{"joe/half/", "joe/other/", "joe/nobody/"} {
			p := newPeer(t, url, version, token)
			hidden := p.readURI(t, "events://there")
			for _, absent := range []string{"events://nosuc", "eventz://there", "events://ended"} {
				if want := strings.ReplaceAll(p.readURI(t, absent), absent, "events://there"); hidden != want {
					t.Errorf("%s %s: %s\n%s: %s", version, token, hidden, absent, want)
				}
			}
			if names, _ := p.list(t, "resources/templates/list"); strings.Contains(names, "events") {
				t.Errorf("%s sees %s", token, names)
			}
		}
		p := newPeer(t, url, version, "ann/admin/")
		if names, _ := p.list(t, "resources/templates/list"); names != "events" {
			t.Errorf("an admin sees %q", names)
		}
		ended, absent := p.readURI(t, "events://ended"), p.readURI(t, "events://nosuc")
		if strings.ReplaceAll(ended, "events://ended", "events://nosuc") != absent || !strings.Contains(absent, "not_found") {
			t.Errorf("%s: %s\n%s", version, ended, absent)
		}
	}
}

func TestEvents_NeedAPolicy(t *testing.T) {
	_, err := server.New("x", "1", &server.Options{Events: eventstore.New(eventstore.NewMemory(), nil)})
	if err == nil || !strings.Contains(err.Error(), "option Events: it needs a Policy") {
		t.Error(err)
	}
}

func TestEvents_ATrailIsReadByMCPItself(t *testing.T) {
	store := eventstore.New(eventstore.NewMemory(), nil)
	sink := auth.NewEventSink(store, "")
	srv := houseServer(t, server.Options{
		Policy: policyOf(t, auth.PolicySpec{Roles: map[string][]string{"admin": {"*"}, "member": {"execute:tools:open*"}}}),
		Audit:  sink, AuditFailClosed: true, Events: store,
	})
	url := serveHTTP(t, srv)
	newPeer(t, url, eras[1], member).ask(t, "tools/call", `"name":"secret","arguments":{}`, "secret")
	var stream string
	for e, err := range store.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		mustAdd(t, err)
		stream = e.Stream
	}
	p := newPeer(t, url, eras[1], "bob/admin/")
	for _, e := range p.page(t, "events://"+stream).Events {
		var r auth.AuditRecord
		mustAdd(t, json.Unmarshal(e.Data, &r))
		if len(r.Actions) > 0 && r.Actions[0].Name == "secret" {
			if !r.Denied || r.Principal != `"https://i""ann"` || e.Metadata.Causation != "same" {
				t.Errorf("%s", e.Data)
			}
			return
		}
	}
	t.Error("the denied call is not in the trail")
}
