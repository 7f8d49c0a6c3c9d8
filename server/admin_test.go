package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
)

// run serves until the test ends, or stop is called, which returns what Run did.
func run(t *testing.T, o server.Options) (srv *server.Server, stop func() error) {
	t.Helper()
	o.DrainWait = -1
	srv, _ = newServer(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	select {
	case <-srv.Ready():
	case err := <-done:
		t.Fatalf("it did not start: %v", err)
	}
	var err error
	stopped := false
	stop = func() error {
		if cancel(); !stopped {
			err, stopped = <-done, true
		}
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return srv, stop
}

func TestAdmin_ServesOperatorsOnLoopback(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "calls_total 1\n") })
	srv, stop := run(t, server.Options{
		Addr: "127.0.0.1:0", Admin: server.Admin{Addr: "127.0.0.1:0", Metrics: metrics, Pprof: true},
	})
	admin := "http://" + srv.AdminAddr()
	_, err := srv.Health().Register(health.Check{Name: "db", Optional: true, Checker: health.Func(func(context.Context) error { return errors.New("refused") })})
	mustAdd(t, err)
	for path, want := range map[string]string{
		"/livez": `"pass"`, "/readyz": `"db:responseTime"`, "/startupz": `"pass"`,
		"/metrics": "calls_total 1", "/buildinfo": `"name": "test"`,
		"/debug/pprof/": "goroutine ", "/debug/pprof/goroutine?debug=1": "goroutine profile: total ",
		"/debug/pprof/heap?debug=1&gc=1": "HeapInuse", "/debug/pprof/profile?seconds=0.01": "", "/debug/pprof/trace?seconds=0.01": "",
	} {
		if status, body := fetch(t, admin+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.100q", path, status, body)
		}
	}
	for path, want := range map[string]int{
		"/": 404, "/debug/pprof/nothing": 404, "/debug/pprof/profile?seconds=9999": 400, "/debug/pprof/trace?seconds=NaN": 400, "/mcp": 404,
	} {
		if status, _ := fetch(t, admin+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if status, _ := fetch(t, "http://"+srv.Addr()+"/metrics"); status != http.StatusNotFound {
		t.Errorf("callers get the metrics: %d", status)
	}
	open := 0
	srv.OnShutdown(shutdown.Hook{Name: "traces", Stage: shutdown.Flush, Run: func(context.Context) error {
		open, _ = fetch(t, admin+"/readyz")
		return nil
	}})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if open != http.StatusServiceUnavailable {
		t.Errorf("at the very end, /readyz: %d", open)
	}
}

func TestAdmin_ShowsDetailsToWhomItIsTold(t *testing.T) {
	srv, _ := run(t, server.Options{Addr: "127.0.0.1:0", Admin: server.Admin{
		Addr: "127.0.0.1:0", Pprof: true, Authorize: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer operator" },
	}})
	_, err := srv.Health().Register(health.Check{Name: "db", Checker: health.Func(func(context.Context) error { return nil })})
	mustAdd(t, err)
	for _, path := range []string{"/readyz", "/buildinfo", "/debug/pprof/"} {
		url := "http://" + srv.AdminAddr() + path
		_, stranger := fetch(t, url)
		res := request(t, http.MethodGet, url, "", map[string]string{"Authorization": "Bearer operator"})
		operator, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if len(stranger) > 40 || len(operator) < 80 {
			t.Errorf("%s: a stranger gets %q, the operator %q", path, stranger, operator)
		}
	}
}

func TestAdmin_BeyondLoopbackShowsNoDetailsAndNoProfiles(t *testing.T) {
	srv, _ := newServer(t, server.Options{Addr: "127.0.0.1:0", Admin: server.Admin{Addr: "0.0.0.0:0", Pprof: true}})
	if err := srv.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "Admin.Pprof") {
		t.Errorf("it served profiles: %v", err)
	}
	srv, _ = run(t, server.Options{Addr: "127.0.0.1:0", Admin: server.Admin{Addr: "0.0.0.0:0"}})
	_, port, _ := strings.Cut(strings.Trim(srv.AdminAddr(), "[]"), "]:")
	if port == "" {
		_, port, _ = strings.Cut(srv.AdminAddr(), ":")
	}
	if status, body := fetch(t, "http://127.0.0.1:"+port+"/readyz"); status != http.StatusOK || body != "{\"status\":\"pass\"}\n" {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := fetch(t, "http://127.0.0.1:"+port+"/buildinfo"); status != http.StatusForbidden {
		t.Errorf("buildinfo: %d", status)
	}
}

func TestAdmin_RefusesNamesThatAWebPageCouldHave(t *testing.T) {
	srv, _ := run(t, server.Options{Addr: "127.0.0.1:0", Admin: server.Admin{Addr: "127.0.0.1:0", AllowedHosts: []string{"ops.example.com"}}})
	for host, want := range map[string]int{
		"127.0.0.1": 200, "[::1]:9090": 200, "::1": 200, "localhost:1": 200, "OPS.example.com:9090": 200, "10.1.2.3:80": 200,
		"evil.example.com": 403, "127.0.0.1.evil.example.com": 403, "localhost.evil.example.com:80": 403,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+srv.AdminAddr()+"/readyz", nil)
		mustAdd(t, err)
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		mustAdd(t, err)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, res.StatusCode, want)
		}
	}
}

func TestAdmin_SaysWhatIsWrong(t *testing.T) {
	_, err := server.New("a", "1", &server.Options{Admin: server.Admin{Pprof: true, AllowedHosts: []string{"a:80"}}})
	if err == nil || !strings.Contains(err.Error(), "Admin.Addr") || !strings.Contains(err.Error(), "Admin.AllowedHosts") {
		t.Errorf("error %v", err)
	}
	srv, _ := newServer(t, server.Options{Addr: "127.0.0.1:0", Admin: server.Admin{Addr: "256.0.0.1:0"}})
	closed := false
	srv.OnShutdown(shutdown.Hook{Name: "db", Run: func(context.Context) error { closed = true; return nil }})
	if err := srv.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "option Admin.Addr") || !closed {
		t.Errorf("error %v, closed %t", err, closed)
	}
}

// A sink is an audit that can be checked.
type sink struct{ err error }

func (s *sink) Audit(context.Context, *auth.AuditRecord) error { return nil }
func (s *sink) Check(context.Context) error                    { return s.err }

func TestHealth_WatchesWhatTheOptionsHold(t *testing.T) {
	for closed, want := range map[bool]health.Status{false: health.Degraded, true: health.Unhealthy} {
		srv, _ := run(t, server.Options{Addr: "127.0.0.1:0", Audit: &sink{errors.New("disk full")}, AuditFailClosed: closed})
		for len(srv.Health().Report().Checks) == 0 || srv.Health().Report().Checks[0].Checked.IsZero() {
			<-srv.Ready() // the first check runs
		}
		r := srv.Health().Report()
		if r.Status != want || r.Checks[0].Name != "audit" || r.Checks[0].Output != "disk full" {
			t.Errorf("fail closed %t: %+v", closed, r)
		}
	}
}

func TestHealthResource_IsForOperators(t *testing.T) {
	for _, policy := range []bool{false, true} {
		o := server.Options{HealthResource: true, Addr: "127.0.0.1:0"}
		if policy {
			o.Addr = "" // over stdio the reader is the operator
		}
		srv, _ := newServer(t, o)
		_, err := srv.Health().Register(health.Check{Name: "db", Optional: true, Checker: health.Func(func(context.Context) error { return nil })})
		mustAdd(t, err)
		t.Cleanup(func() { _ = srv.Health().Close(context.Background()) }) //nolint:usetesting // that of the test is over
		text := readResource(t, srv, server.HealthURI)
		var body struct {
			Status string
			Checks map[string]any
		}
		if err := json.Unmarshal([]byte(text), &body); err != nil || body.Status == "" || (len(body.Checks) == 1) != policy {
			t.Errorf("%q: %v", text, err)
		}
	}
	srv, _ := newServer(t, server.Options{})
	c := mcptest.New(t, srv)
	if _, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: server.HealthURI}); err == nil {
		t.Error("it is there without the option")
	}
}

func TestHealthResource_ShowsStrangersNoDetailsWhereTheHandlerIsMounted(t *testing.T) {
	srv, _ := newServer(t, server.Options{HealthResource: true})
	_, err := srv.Health().Register(health.Check{Name: "db", Optional: true, Checker: health.Func(func(context.Context) error { return nil })})
	mustAdd(t, err)
	t.Cleanup(func() { _ = srv.Health().Close(context.Background()) }) //nolint:usetesting // that of the test is over
	h, err := srv.Handler()
	mustAdd(t, err)
	web := httptest.NewServer(h)
	defer web.Close()
	header := modernHeader("resources/read", server.HealthURI)
	res := request(t, http.MethodPost, web.URL, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"`+server.HealthURI+`","_meta":{`+
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, header)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	mustAdd(t, err)
	if !strings.Contains(string(body), "status") || strings.Contains(string(body), "db") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestAdmin_WorksForNoPageOfAnotherSite(t *testing.T) {
	srv, _ := run(t, server.Options{Addr: "127.0.0.1:0", Admin: server.Admin{Addr: "127.0.0.1:0", Pprof: true}})
	for dest, want := range map[string]int{"image": http.StatusForbidden, "iframe": http.StatusForbidden, "document": http.StatusOK} {
		res := request(t, http.MethodGet, "http://"+srv.AdminAddr()+"/debug/pprof/heap?gc=1", "",
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": dest})
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d", dest, res.StatusCode)
		}
	}
}

func readResource(t *testing.T, srv *server.Server, uri string) string {
	t.Helper()
	res, err := mcptest.New(t, srv).ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
	if err != nil || len(res.Contents) != 1 {
		t.Fatalf("%v, %v", res, err)
	}
	return res.Contents[0].Text
}
