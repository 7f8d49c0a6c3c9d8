package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

func TestThreat07_SlowHeadersAreCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5 seconds")
	}
	t.Parallel()
	srv, _ := newServer(t, server.Options{Addr: "127.0.0.1:0"})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	<-srv.Ready()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", srv.Addr())
	mustAdd(t, err)
	defer func() { _ = conn.Close() }()
	began := time.Now()
	_, err = io.WriteString(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	mustAdd(t, err)
	_, _ = io.Copy(io.Discard, conn) // ends when the server has enough
	if took := time.Since(began); took < 4*time.Second || took > 20*time.Second {
		t.Errorf("cut after %v", took)
	}
	stop()
	mustAdd(t, <-done)
}

// modernly is one modern call, without a network.
func modernly(ctx context.Context, h http.Handler, id int, name, arguments string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/", strings.NewReader(fmt.Sprintf(
		`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%s","arguments":%s,`+
			`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, id, name, arguments)))
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Mcp-Protocol-Version": {"2026-07-28"},
		"Mcp-Method": {"tools/call"}, "Mcp-Name": {name},
	}
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A client that makes calls and leaves them at once costs no more than
// MaxInFlight handlers, also if they do not hear that it left.
func TestThreat22_AFloodOfRequestsThatAreLeftIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		var mu sync.Mutex
		running, most := 0, 0
		srv, _ := newServer(t, server.Options{MaxInFlight: 4, Timeout: -1})
		mustAdd(t, server.AddTool(srv, tool("deaf"), func(context.Context, none) (string, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-leave
			mu.Lock()
			running--
			mu.Unlock()
			return "done", nil
		}))
		h, err := srv.Handler()
		mustAdd(t, err)
		// The first call of a tool lists the tools, which takes a slot, too.
		modernly(t.Context(), h, 1, "deaf", `{"unknown":1}`, nil)
		var clients sync.WaitGroup
		shed := make(chan bool, 200)
		for i := range 200 {
			clients.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second/2, cancel) // the client leaves
				w := modernly(ctx, h, i, "deaf", "{}", nil)
				shed <- w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "1"
			})
		}
		<-time.After(time.Second)
		synctest.Wait()
		mu.Lock()
		if running != 4 || most != 4 {
			t.Errorf("%d handlers run, %d at most", running, most)
		}
		mu.Unlock()
		close(leave)
		clients.Wait()
		refused := 0
		for range 200 {
			if <-shed {
				refused++
			}
		}
		if refused != 196 {
			t.Errorf("%d of 200 were told to come back", refused)
		}
		if w := modernly(t.Context(), h, 1, "deaf", "{}", nil); w.Code != http.StatusOK {
			t.Errorf("afterwards: %d %s", w.Code, w.Body)
		}
		mustAdd(t, srv.Drain(t.Context()))
	})
}

func TestThreat41_WhatIsRemovedDuringItsCallEndsWellAndIsGone(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	running, removed := make(chan struct{}), make(chan struct{})
	add := func() {
		mustAdd(t, server.AddTool(srv, tool("brief"), func(context.Context, none) (string, error) {
			running <- struct{}{}
			<-removed
			return "ended well", nil
		}))
	}
	add()
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		go func() { // ends with the call
			<-running
			srv.RemoveTools("brief")
			removed <- struct{}{}
		}()
		if got := c.Call("brief", nil).OK().Text(); got != "ended well" {
			t.Errorf("the running call got %q", got)
		}
		c.Call("brief", nil).Fails(mcperrors.NotFound)
		add()
	})
}

// A lockedBuffer takes what is logged.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// Sync implements [zapcore.WriteSyncer].
func (*lockedBuffer) Sync() error { return nil }

// The causes of errors are logged; a secret in one has to look like one.
func TestThreat46_ACanaryIsInNoLogAndNoAnswer(t *testing.T) {
	const canary = "CANARY"
	t.Setenv("TRESTLE_SECRET", canary)
	var logged lockedBuffer
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), &logged, zap.DebugLevel))
	srv, err := server.New("canary", "1.0.0", &server.Options{
		Logger: log,
		HTTP:   transport.Options{Logger: slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))},
	})
	mustAdd(t, err)
	type in struct {
		N int    `json:"n"`
		S string `json:"s" validate:"max=3"`
	}
	faults := map[string]func() error{
		"plain":   func() error { return errors.New("password=" + canary) },
		"wrapped": func() error { return fmt.Errorf("token=%s: %w", canary, mcperrors.Errorf(mcperrors.Conflict, "taken")) },
		"coded": func() error {
			return mcperrors.Wrap(mcperrors.Unavailable, "busy", errors.New("authorization: Bearer "+canary))
		},
		"panic":   func() error { panic("secret=" + canary) },
		"nothing": func() error { return nil },
	}
	for name, fault := range faults {
		mustAdd(t, server.AddTool(srv, tool(name), func(context.Context, in) (string, error) { return "", fault() }))
	}
	h, err := srv.Handler()
	mustAdd(t, err)
	header := http.Header{"Authorization": {"Bearer " + canary}, "Cookie": {canary}, "X-Api-Key": {canary}, "User-Agent": {canary}}
	for name := range faults {
		for _, arguments := range []string{
			`{"n":1,"s":"` + canary[:3] + `"}`, `{"n":"` + canary + `","s":""}`, `{"n":1,"s":"` + canary + `"}`,
			`{"n":1,"s":"","` + strings.Repeat("x", 5000) + canary + `":1}`,
		} {
			w := modernly(t.Context(), h, 1, name, arguments, header)
			if strings.Contains(arguments, `"n":"`) {
				continue // a short value is shown to who sent it, so that a model can mend it
			}
			if strings.Contains(w.Body.String()+fmt.Sprint(w.Header()), canary) {
				t.Errorf("%s(%.60s) answers %.600s", name, arguments, w.Body)
			}
		}
	}
	mustAdd(t, srv.Drain(t.Context()))
	_ = log.Sync()
	logged.mu.Lock()
	defer logged.mu.Unlock()
	if text := logged.String(); strings.Contains(text, canary) || strings.Count(text, "\n") < len(faults) {
		for line := range strings.Lines(text) {
			if strings.Contains(line, canary) {
				t.Errorf("logged %.600s", line)
			}
		}
		t.Errorf("%d lines", strings.Count(text, "\n"))
	}
}
