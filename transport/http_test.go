package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

func debugLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestNewHTTPHandler_ReportsEveryMistake(t *testing.T) {
	_, err := transport.NewHTTPHandler(nil, &transport.Options{
		AllowedHosts:   []string{"*", "http://a", "a:b", "a:99999", "", "ok.example"},
		AllowedOrigins: []string{"*", "null", "a.example", "https://a.example/path"},
		MaxDepth:       5000,
	})
	if err == nil {
		t.Fatal("no error")
	}
	if got := strings.Split(err.Error(), "\n"); len(got) != 11 {
		t.Errorf("%d mistakes, want 11:\n%v", len(got), err)
	}
}

func TestHTTP_ServesASDKClientOfEitherEra(t *testing.T) {
	for _, version := range []string{legacy, modern} {
		t.Run(version, func(t *testing.T) {
			s := newServer(newGate())
			_, ts := serve(t, s, nil)
			changed := make(chan struct{}, 8)
			cs := connect(t, &mcp.StreamableClientTransport{Endpoint: ts.URL}, version, &mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "decline"}, nil
				},
				ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
			})
			exercise(t, cs, version)
			s.RemoveTools("late")
			<-changed
			if err := cs.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHTTP_Threat20_AStreamIsResumedOnlyInItsSession(t *testing.T) {
	g := newGate()
	_, ts := serve(t, newServer(g), nil)
	session, other := open(t, ts.URL, nil), open(t, ts.URL, nil)
	ctx, cut := context.WithCancel(t.Context())
	res := post(t, ts.URL, legacy, call("1", "wait"), func(r *http.Request) { inSession(session)(r); *r = *r.WithContext(ctx) })
	<-g.entered
	event := idLine(t, bufio.NewReader(res.Body))
	cut()
	for _, id := range []string{event, "nope_0", "_-1", "_", "x", "", strings.Repeat("x", 1000) + "_1"} {
		res, body := get(t, ts.URL, other, id)
		if id == "" {
			_ = res.Body.Close() // no Last-Event-ID at all: the standalone stream
			continue
		}
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20s: status %d", id, res.StatusCode)
		}
		wantError(t, []byte(readAll(t, body)), -32600, "null")
	}
	close(g.leave)
	for {
		res, body := get(t, ts.URL, session, event)
		if res.StatusCode == http.StatusConflict { // until the server notices the cut
			wantError(t, []byte(readAll(t, body)), 409, "null")
			continue
		}
		dataLine(t, body, `"done"`)
		break
	}
}

func TestHTTP_Threat21_ADisconnectCancelsModernCallsOnly(t *testing.T) {
	g := newGate()
	_, ts := serve(t, newServer(g), nil)
	session := open(t, ts.URL, nil)
	ctx, cut := context.WithCancel(t.Context())
	leaving := func(r *http.Request) { *r = *r.WithContext(ctx) }
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL, strings.NewReader(strings.Replace(call("1", "wait"), `"arguments"`, meta+`,"arguments"`, 1)))
		for k, v := range map[string]string{"Content-Type": "application/json", "MCP-Protocol-Version": modern, "Mcp-Method": "tools/call", "Mcp-Name": "wait"} {
			req.Header.Set(k, v)
		}
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-g.entered
	post(t, ts.URL, legacy, call("2", "wait"), func(r *http.Request) { inSession(session)(r); leaving(r) })
	<-g.entered
	cut()
	if err := <-g.cut; !errors.Is(err, context.Canceled) { // the modern one
		t.Error(err)
	}
	res := post(t, ts.URL, legacy, call("2", "echo"), inSession(session))
	wantError(t, []byte(readAll(t, res.Body)), -32600, "2") // the legacy one goes on
	res = post(t, ts.URL, legacy, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`, inSession(session))
	if res.StatusCode != http.StatusAccepted {
		t.Errorf("cancelled: status %d", res.StatusCode)
	}
	if err := <-g.cut; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestHTTP_DELETEEndsASessionWhoseCallWaitsForTheClient(t *testing.T) {
	g := newGate()
	_, ts := serve(t, newServer(g), nil)
	session := open(t, ts.URL, nil)
	post(t, ts.URL, legacy, call("1", "ask"), inSession(session))
	<-g.entered
	res := post(t, ts.URL, legacy, "", func(r *http.Request) { r.Method = http.MethodDelete; inSession(session)(r) })
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("status %d", res.StatusCode)
	}
	if status := refusedCall(t, ts.URL, session); status != http.StatusNotFound {
		t.Errorf("afterwards: status %d", status)
	}
}

func TestHTTP_Threat15_OnANetworkOnlyTheAddressAndListedNamesAreServed(t *testing.T) {
	lan := &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7"), Port: 8080}
	for _, c := range []struct {
		name, host, origin string
		opts               transport.Options
		local              net.Addr
		ok                 bool
	}{
		{"address", "192.0.2.7:8080", "", transport.Options{}, lan, true},
		{"address behind a mapped port", "192.0.2.7", "http://192.0.2.7", transport.Options{}, lan, true},
		{"loopback name", "localhost:8080", "", transport.Options{}, lan, true},
		{"other address", "192.0.2.8:8080", "", transport.Options{}, lan, false},
		{"name", "evil.example.com", "", transport.Options{}, lan, false},
		{"origin equal to an evil host", "evil.example.com", "http://evil.example.com", transport.Options{}, lan, false},
		{"other origin", "192.0.2.7:8080", "http://localhost", transport.Options{}, lan, false},
		{"no local address", "192.0.2.7:8080", "", transport.Options{}, nil, false},
		{"socket", "localhost", "", transport.Options{}, &net.UnixAddr{Name: "s"}, true},
		{"no host", "", "", transport.Options{}, lan, false},
		{"junk", "192.0.2.7:8080:1", "", transport.Options{}, lan, false},
		{"listed name", "mcp.example.com", "https://mcp.example.com", transport.Options{AllowedHosts: []string{"MCP.example.com"}}, lan, true},
		{"listed name, any port", "mcp.example.com:1", "", transport.Options{AllowedHosts: []string{"mcp.example.com"}}, lan, true},
		{"listed port", "mcp.example.com:1", "", transport.Options{AllowedHosts: []string{"mcp.example.com:2"}}, lan, false},
		{"listed IPv6", "[2001:DB8::1]:1", "", transport.Options{AllowedHosts: []string{"2001:db8::1"}}, lan, false},
		{"listed IPv6 in brackets", "[2001:DB8::1]:1", "", transport.Options{AllowedHosts: []string{"[2001:db8:0::1]"}}, lan, true},
		{"not listed", "192.0.2.7:8080", "", transport.Options{AllowedHosts: []string{"mcp.example.com"}}, lan, false},
		{"listed origin", "192.0.2.7", "https://App.example.com:443", transport.Options{AllowedOrigins: []string{"https://app.example.com"}}, lan, true},
		{"other scheme", "192.0.2.7", "http://app.example.com", transport.Options{AllowedOrigins: []string{"https://app.example.com"}}, lan, false},
		{"extension", "192.0.2.7", "chrome-extension://abc", transport.Options{AllowedOrigins: []string{"chrome-extension://abc"}}, lan, true},
		{"loopback origin beside listed ones", "localhost", "http://localhost:9", transport.Options{AllowedOrigins: []string{"https://app.example.com"}}, lan, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := transport.NewHTTPHandler(newServer(newGate()), &c.opts)
			if strings.Contains(c.name, "listed IPv6") && !c.ok {
				if err == nil {
					t.Error("an IPv6 address without brackets")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", nil)
			r.Host = c.host
			if c.local != nil {
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, c.local))
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if want := map[bool]int{true: 405, false: 403}[c.ok]; w.Code != want {
				t.Errorf("status %d, want %d", w.Code, want)
			}
		})
	}
}

func TestHTTP_ListedOriginsGetCORSHeaders(t *testing.T) {
	const app = "https://app.example.com"
	_, ts := serve(t, newServer(newGate()), &transport.Options{AllowedOrigins: []string{app}})
	res := post(t, ts.URL, "", "", func(r *http.Request) {
		r.Method = http.MethodOptions
		r.Header.Set("Origin", app)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type, mcp-param-region, x-evil")
	})
	allowed := res.Header.Get("Access-Control-Allow-Headers")
	if res.StatusCode != http.StatusNoContent || !strings.HasSuffix(allowed, ", Mcp-Param-Region") {
		t.Errorf("preflight: status %d, headers %q", res.StatusCode, allowed)
	}
	res = post(t, ts.URL, "", initialize(), header("Origin", app))
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":   app,
		"Access-Control-Expose-Headers": "Mcp-Session-Id, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate",
		"Vary":                          "Origin",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	res = post(t, ts.URL, "", initialize(), nil)
	if res.Header.Get("Access-Control-Allow-Origin") != "" || res.Header.Get("Vary") != "Origin" {
		t.Errorf("without Origin: %v", res.Header)
	}
}

func TestHTTP_Threat46_WhatAClientSendsIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	h, err := transport.NewHTTPHandler(newServer(newGate()), &transport.Options{Logger: debugLogger(&log)})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{CANARY`, `{"jsonrpc":"2.0","id":1,"method":"CANARY"}`, `{"jsonrpc":"2.0","id":1,"CANARY":1,"CANARY":2}`} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/CANARY", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer CANARY")
		r.Header.Set("Mcp-Session-Id", "CANARY")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if got := log.String(); strings.Contains(got, "CANARY") || strings.Count(got, "request refused") != 3 {
		t.Errorf("log:\n%s", got)
	}
}

func TestHTTP_Threat19_IdleSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(newGate())
		h, err := transport.NewHTTPHandler(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", strings.NewReader(initialize()))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Header().Get("Mcp-Session-Id") == "" {
			t.Fatalf("status %d", w.Code)
		}
		<-time.After(5*time.Minute - time.Second)
		synctest.Wait()
		if n := count(s); n != 1 {
			t.Errorf("%d sessions before the timeout", n)
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if n := count(s); n != 0 {
			t.Errorf("%d sessions after the timeout", n)
		}
	})
}

func count(s *mcp.Server) (n int) {
	for range s.Sessions() {
		n++
	}
	return n
}

func TestTransports_LeaveNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		t.Run("session", func(t *testing.T) {
			s := newServer(newGate())
			h, err := transport.NewHTTPHandler(s, nil)
			if err != nil {
				t.Fatal(err)
			}
			ts := httptest.NewServer(h)
			client := &http.Client{Transport: &http.Transport{}}
			for _, version := range []string{legacy, modern} {
				cs := connect(t, &mcp.StreamableClientTransport{Endpoint: ts.URL, HTTPClient: client}, version, nil)
				exercise(t, cs, modern)
				if err := cs.Close(); err != nil {
					t.Error(err)
				}
			}
			w, ss := stdio(t, s, &transport.Stdio{})
			w.hello(t)
			_ = w.Close()
			if err := ss.Wait(); err != nil {
				t.Error(err)
			}
			if err := h.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			client.CloseIdleConnections()
			ts.Close()
		})
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	settled(t, before)
}
