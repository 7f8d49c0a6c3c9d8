package transport_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/transport"
)

func setLevel(level string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"logging/setLevel","params":{"level":"` + level + `"}}`
}

func TestSessionStore_ASessionIsServedByEveryReplica(t *testing.T) {
	store := newSpyStore()
	a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
	hello := strings.Replace(initialize(), `"elicitation":{}`, `"elicitation":{"form":{}},"sampling":{},"roots":{"listChanged":true},"experimental":{"x":{"y":[1]}}`, 1)
	id := play(t, a, "", hello, nil).Header().Get("Mcp-Session-Id")
	if w := play(t, b, id, initializedNote, nil); w.Code != http.StatusAccepted {
		t.Fatalf("initialized at the other: %d %s", w.Code, w.Body)
	}
	if got := drained(b.initialized); !slices.Equal(got, []string{id}) {
		t.Errorf("told the handler of %q", got)
	}
	here, there := play(t, a, id, call("1", "who"), nil), play(t, b, id, call("1", "who"), nil)
	if here.Body.String() != there.Body.String() || !strings.Contains(there.Body.String(), "+roots") || !strings.Contains(there.Body.String(), `\"y\":[1]`) {
		t.Errorf("%s\nthere %s", here.Body, there.Body)
	}
	c := newReplica(t, transport.Options{SessionStore: store})
	if play(t, c, id, initializedNote, nil); len(drained(c.initialized)) != 0 {
		t.Error("initialized a second time")
	}
	// The version is kept: no batches, and the handshake is over.
	if w := play(t, b, id, "["+call("1", "log")+"]", nil); w.Code != http.StatusBadRequest {
		t.Errorf("a batch: %d", w.Code)
	}
	if w := play(t, b, id, initialize(), nil); w.Code != http.StatusBadRequest {
		t.Errorf("a second initialize: %d", w.Code)
	}
	// Nobody reads ids or names in the store.
	for key, record := range store.all() {
		if strings.Contains(key+string(record), id) {
			t.Errorf("the store has the id: %s %s", key, record)
		}
	}
	if opened := drained(b.opened); !slices.Equal(opened, []string{id}) {
		t.Errorf("opened %q", opened)
	}
}

func TestSessionStore_TheLogLevelMovesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpyStore()
		a, b, c := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
		id := a.open(t)
		logs := func(r *replica) bool {
			return strings.Contains(play(t, r, id, call("1", "log"), nil).Body.String(), "LOGGED")
		}
		if logs(a) || logs(b) {
			t.Error("logged without a level")
		}
		play(t, a, id, setLevel("info"), nil)
		if !logs(a) || !logs(c) {
			t.Error("not logged where the level was set, or where the session is rebuilt after")
		}
		<-time.After(10 * time.Second)
		if !logs(b) {
			t.Error("not logged where the session was live, 10 s later")
		}
		play(t, b, id, setLevel("error"), nil)
		<-time.After(10 * time.Second)
		if logs(a) || logs(b) || logs(c) {
			t.Error("logged below the level")
		}
		undo := store.failing()
		if w := play(t, a, id, setLevel("debug"), nil); w.Code != http.StatusOK {
			t.Errorf("level while the store fails: %d %s", w.Code, w.Body)
		}
		undo()
		<-time.After(10 * time.Second)
		if !logs(a) || !logs(b) {
			t.Error("the store was not told later")
		}
		play(t, a, id, setLevel("CANARY"), nil) // go-sdk takes any
		if records := store.all(); strings.Contains(string(records[slices.Sorted(maps.Keys(records))[0]]), "CANARY") {
			t.Error("kept a level that is none")
		}
	})
}

func TestSessionStore_ADeletedSessionIsGoneEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpyStore()
		a, b, c := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
		id := a.open(t)
		if b.status(t, id) != http.StatusOK {
			t.Fatal("not moved")
		}
		ended := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			play(t, b, id, "", withMethod(http.MethodGet))
			ended <- time.Since(began)
		}()
		synctest.Wait()
		if w := a.delete(t, id); w.Code != http.StatusNoContent {
			t.Fatalf("DELETE: %d", w.Code)
		}
		if got := []int{a.status(t, id), c.status(t, id), a.delete(t, id).Code, c.delete(t, id).Code}; !slices.Equal(got, []int{404, 404, 404, 404}) {
			t.Errorf("at once, where it is not live: %v", got)
		}
		if took := <-ended; took > 15*time.Second {
			t.Errorf("a stream at another replica ended after %v", took)
		}
		if got := b.status(t, id); got != http.StatusNotFound {
			t.Errorf("where it was live: %d", got)
		}
		synctest.Wait()
		if got := drained(b.closed); !slices.Equal(got, []transport.SessionEnd{transport.SessionGone}) {
			t.Errorf("closed: %q", got)
		}
	})
}

func TestSessionStore_ADeletedSessionServesRequestsFor10SecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpyStore()
		a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
		id := a.open(t)
		b.status(t, id)
		// Deleted where it is not live: it is live at both others.
		if w := newReplica(t, transport.Options{SessionStore: store}).delete(t, id); w.Code != http.StatusNoContent {
			t.Fatalf("DELETE: %d", w.Code)
		}
		for range 10 { // requests do not put off the question
			a.status(t, id)
			b.status(t, id)
			<-time.After(time.Second)
		}
		if x, y := a.status(t, id), b.status(t, id); x != http.StatusNotFound || y != http.StatusNotFound {
			t.Errorf("10 s later: %d, %d", x, y)
		}
	})
}

func TestSessionStore_Threat18_AnotherPrincipalsSessionIsLikeAGuessedOne(t *testing.T) {
	store := newSpyStore()
	a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
	alice, mallory := header("X-Who", "alice"), header("X-Who", "mallory")
	id := play(t, a, "", initialize(), alice).Header().Get("Mcp-Session-Id")
	if w := play(t, b, id, call("1", "log"), alice); w.Code != http.StatusOK {
		t.Fatalf("the owner: %d", w.Code)
	}
	c := newReplica(t, transport.Options{SessionStore: store}) // where it is not live
	for _, undo := range []func(){nil, store.failing()} {
		for _, r := range []*replica{b, c} {
			for _, as := range []func(*http.Request){mallory, nil} {
				for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
					try := func(id string) string {
						w := play(t, r, id, call("1", "log"), func(r *http.Request) {
							if as != nil {
								as(r)
							}
							r.Method = method
						})
						return w.Result().Status + w.Body.String() + strings.Join(slices.Sorted(maps.Keys(w.Header())), ",")
					}
					if foreign, guessed := try(id), try(strings.Repeat("A", 26)); foreign != guessed {
						t.Errorf("%s: %s\nguessed: %s", method, foreign, guessed)
					}
				}
			}
		}
		if undo != nil {
			undo()
		}
	}
	if w := play(t, c, id, call("1", "log"), alice); w.Code != http.StatusOK {
		t.Errorf("the owner, after all that: %d", w.Code)
	}
}

func TestSessionStore_ADrainLeavesSessionsToTheOtherReplicas(t *testing.T) {
	store := newSpyStore()
	a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
	id := a.open(t)
	if err := a.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if why := <-a.closed; why != transport.SessionDrained {
		t.Errorf("closed: %q", why)
	}
	// Not 404: the client would give up a session that lives on.
	w := play(t, a, id, call("1", "log"), nil)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("where it was: %d %s", w.Code, w.Body)
	}
	if got := b.status(t, id); got != http.StatusOK {
		t.Errorf("elsewhere: %d", got)
	}
}

func TestSessionStore_ADrainTakesNoMoreSessions(t *testing.T) {
	store, g := newSpyStore(), newGate()
	other := newReplica(t, transport.Options{SessionStore: store})
	id, foreign := other.open(t), other.open(t)
	s := newServer(g)
	h, ts := serve(t, s, &transport.Options{SessionStore: store})
	answer := waitCall(t, ts.URL, legacy, id, g)
	drain := make(chan error, 1)
	go func() { drain <- h.Drain(t.Context()) }()
	for post(t, ts.URL, legacy, call("2", "echo"), inSession(id)).StatusCode != http.StatusServiceUnavailable {
	}
	res := post(t, ts.URL, legacy, initializedNote, inSession(foreign))
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" || count(s) != 1 {
		t.Errorf("%d, %d sessions", res.StatusCode, count(s))
	}
	close(g.leave)
	<-answer
	if err := <-drain; err != nil {
		t.Error(err)
	}
	if got := other.status(t, id); got != http.StatusOK {
		t.Errorf("elsewhere: %d", got)
	}
}

func TestSessionStore_ASessionThatEndsLeavesItsSuccessor(t *testing.T) {
	if !transport.SuccessorSurvives() {
		t.Error("a session that was rebuilt was taken away by its predecessor")
	}
}

func TestSessionStore_ASessionExpiresWhenItIsUsedNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpyStore()
		a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
		id := a.open(t)
		for range 20 {
			<-time.After(time.Minute)
			if b.status(t, id) != http.StatusOK {
				t.Fatal("expired in use")
			}
		}
		if count(a.server) != 0 || (<-a.closed) != transport.SessionExpired {
			t.Error("it is still live where nobody uses it")
		}
		if a.status(t, id) != http.StatusOK {
			t.Error("it expired for all where nobody used it")
		}
		// A long call keeps it, too.
		ctx, leave := context.WithCancel(t.Context())
		go play(t, b, id, "", func(r *http.Request) { *r = *r.WithContext(ctx); r.Method = http.MethodGet })
		<-time.After(time.Hour)
		if a.status(t, id) != http.StatusOK {
			t.Error("it expired during a stream")
		}
		leave()
		<-time.After(4*time.Minute + 59*time.Second)
		if len(store.all()) != 1 || a.status(t, id) != http.StatusOK {
			t.Error("it expired too early")
		}
		<-time.After(5*time.Minute + 20*time.Second)
		if x, y := a.status(t, id), b.status(t, id); x != http.StatusNotFound || y != http.StatusNotFound {
			t.Errorf("unused for 5 min and 20 s: %d, %d", x, y)
		}
	})
}

func TestSessionStore_SessionsWithoutLimitLiveInTheStoreForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpyStore()
		a := newReplica(t, transport.Options{SessionStore: store, SessionIdle: -1})
		id := a.open(t)
		<-time.After(1000 * time.Hour)
		if got := newReplica(t, transport.Options{SessionStore: store, SessionIdle: -1}).status(t, id); got != http.StatusOK {
			t.Errorf("%d", got)
		}
	})
}

func TestSessionStore_Threat19_WhatIsRebuiltCounts(t *testing.T) {
	store := newSpyStore()
	opts := transport.Options{SessionStore: store, MaxSessions: 3, MaxSessionsPerPrincipal: 1}
	a, b, c := newReplica(t, opts), newReplica(t, opts), newReplica(t, opts)
	ids := make([]string, 3)
	for i, r := range []*replica{a, b, c} {
		ids[i] = play(t, r, "", initialize(), header("X-Who", "alice")).Header().Get("Mcp-Session-Id")
	}
	w := play(t, a, ids[1], call("1", "log"), header("X-Who", "alice"))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" {
		t.Errorf("beyond the principal's cap: %d %s", w.Code, w.Body)
	}
	play(t, a, ids[0], "", func(r *http.Request) { header("X-Who", "alice")(r); r.Method = http.MethodDelete })
	if w := play(t, a, ids[1], call("1", "log"), header("X-Who", "alice")); w.Code != http.StatusOK {
		t.Errorf("with room: %d %s", w.Code, w.Body)
	}
	anonymous := []string{b.open(t), b.open(t), c.open(t)}
	if x, y, z := a.status(t, anonymous[0]), a.status(t, anonymous[1]), a.status(t, anonymous[2]); x != 200 || y != 200 || z != 503 {
		t.Errorf("a cap of 3: %d, %d, %d", x, y, z)
	}
}

func TestSessionStore_Threat42_AStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpyStore()
		a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
		id := a.open(t)
		for name, fail := range map[string]func(string) error{
			"panics": func(string) error { panic("CANARY") },
			"fails":  func(string) error { return context.DeadlineExceeded },
		} {
			undo := store.with(fail)
			unavailable := func(r *replica, session, method string) {
				t.Helper()
				body := call("1", "log")
				if session == "" {
					body = initialize()
				}
				w := play(t, r, session, body, withMethod(method))
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" ||
					!strings.Contains(w.Body.String(), `"type":"unavailable"`) || strings.Contains(w.Body.String(), "CANARY") {
					t.Errorf("%s, %s in %.5q: %d %v %s", name, method, session, w.Code, w.Header(), w.Body)
				}
			}
			unavailable(b, id, http.MethodPost)
			unavailable(b, id, http.MethodGet)
			unavailable(b, "guessed", http.MethodPost)
			unavailable(a, "", http.MethodPost)
			unavailable(a, id, http.MethodDelete)
			unavailable(b, id, http.MethodDelete)
			if got := a.status(t, id); got != http.StatusOK {
				t.Errorf("%s: a live session, at once: %d", name, got)
			}
			<-time.After(59 * time.Second)
			if got := a.status(t, id); got != http.StatusOK {
				t.Errorf("%s: a live session, 59 s later: %d", name, got)
			}
			<-time.After(time.Second)
			unavailable(a, id, http.MethodPost)
			undo()
			<-time.After(time.Second)
			if x, y := a.status(t, id), b.status(t, id); x != http.StatusOK || y != http.StatusOK {
				t.Errorf("%s: afterwards: %d, %d", name, x, y)
			}
			// b has it live now: make it forget, as a new replica would.
			b = newReplica(t, transport.Options{SessionStore: store})
		}
		if n := count(b.server); n != 0 {
			t.Errorf("refused requests left %d sessions", n)
		}
	})
}

func TestSessionStore_TheLogTellsOnceThatTheStoreFails(t *testing.T) {
	store := newSpyStore()
	var log bytes.Buffer
	a := newReplica(t, transport.Options{SessionStore: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 2 {
		undo := store.failing()
		for range 3 {
			a.status(t, "guessed")
		}
		undo()
		for range 3 {
			a.status(t, "guessed")
		}
	}
	fails, works := strings.Count(log.String(), "session store fails"), strings.Count(log.String(), "session store works again")
	if fails != 2 || works != 2 || !strings.Contains(log.String(), "redis-7.internal") {
		t.Errorf("%s", &log)
	}
}

func TestSessionStore_ASessionThatTheServerClosesIsClosedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpyStore()
		a, b := newReplica(t, transport.Options{SessionStore: store}), newReplica(t, transport.Options{SessionStore: store})
		id := a.open(t)
		b.status(t, id)
		for s := range a.server.Sessions() {
			_ = s.Close()
			if got := a.status(t, id); got != http.StatusNotFound { // also before the store has heard
				t.Errorf("where it was closed: %d", got)
			}
		}
		if why := <-a.closed; why != transport.SessionClosed || len(store.all()) != 0 {
			t.Errorf("closed: %q, %d records", why, len(store.all()))
		}
		<-time.After(10 * time.Second)
		if got := b.status(t, id); got != http.StatusNotFound {
			t.Errorf("elsewhere: %d", got)
		}
	})
}

func TestSessionStore_ALongIntroductionIsRefused(t *testing.T) {
	store := newSpyStore()
	a := newReplica(t, transport.Options{SessionStore: store})
	w := play(t, a, "", strings.Replace(initialize(), `"name":"c"`, `"name":"`+strings.Repeat("x", 32<<10)+`"`, 1), nil)
	wantError(t, w.Body.Bytes(), -32602, "0")
	if w.Header().Get("Mcp-Session-Id") != "" || len(store.all()) != 0 {
		t.Error("a session was opened")
	}
	if id := a.open(t); a.status(t, id) != http.StatusOK {
		t.Error("the next is not served")
	}
}

func TestSessionStore_WithoutOneNothingIsAsked(t *testing.T) {
	a := newReplica(t, transport.Options{})
	id := a.open(t)
	if got := newReplica(t, transport.Options{}).status(t, id); got != http.StatusNotFound {
		t.Errorf("another handler: %d", got)
	}
}

var _ transport.SessionStore = (*spyStore)(nil)
