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
