package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/trestle-mcp/trestle/transport"
)

type whoKey struct{}

// who takes the caller's word for who it is.
func who(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), whoKey{}, r.Header.Get("X-Who"))))
	})
}

func whoFrom(ctx context.Context) string {
	name, _ := ctx.Value(whoKey{}).(string)
	return name
}

func newTestServer(t *testing.T, h *transport.HTTPHandler, wrapped http.Handler) (url string) {
	t.Helper()
	ts := httptest.NewServer(wrapped)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel()
		_ = h.Drain(ctx)
		ts.Close()
	})
	return ts.URL
}

func TestHTTP_AuthenticateStandsBehindTheEdge(t *testing.T) {
	const app = "https://app.example.com"
	closed := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	}
	_, ts := serve(t, newServer(newGate()), &transport.Options{AllowedOrigins: []string{app}, Authenticate: closed})
	for name, c := range map[string]struct {
		origin, method string
		status         int
	}{
		"a call":        {app, http.MethodPost, http.StatusUnauthorized},
		"a stream":      {app, http.MethodGet, http.StatusUnauthorized},
		"an evil page":  {"https://evil.example", http.MethodPost, http.StatusForbidden},
		"its preflight": {"https://evil.example", http.MethodOptions, http.StatusForbidden},
		"a preflight":   {app, http.MethodOptions, http.StatusNoContent},
	} {
		res := post(t, ts.URL, "", initialize(), func(r *http.Request) {
			r.Method = c.method
			r.Header.Set("Origin", c.origin)
		})
		if res.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", name, res.StatusCode, c.status)
		}
		if allowed := res.Header.Get("Access-Control-Allow-Origin"); (allowed == app) != (c.origin == app) {
			t.Errorf("%s: readable by %q", name, allowed)
		}
	}
}
