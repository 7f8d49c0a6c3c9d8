package transport_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/transport"
)

// as is the caller's word for who it is; see who.
func as(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("X-Who", name) }
}

// capped serves subscriptions with bounds.
func capped(t *testing.T, all, each int) (h *transport.HTTPHandler, url string) {
	t.Helper()
	h, err := transport.NewHTTPHandler(listenServer(), &transport.Options{MaxListens: all, MaxListensPerPrincipal: each, Principal: whoFrom})
	if err != nil {
		t.Fatal(err)
	}
	return h, newTestServer(t, h, who(h))
}

// wantTooMany opens a subscription that is refused.
func wantTooMany(t *testing.T, url string, status int, alter func(*http.Request)) {
	t.Helper()
	l := openListen(t, url, `"x"`, aUpdates, alter)
	e := wantError(t, []byte(readAll(t, l.lines)), int64(status), `"x"`)
	if l.res.StatusCode != status || l.res.Header.Get("Retry-After") != "5" || e.Error.Data["retryAfterMs"] != 5000.0 {
		t.Errorf("status %d, %v, %v; want %d", l.res.StatusCode, l.res.Header, e.Error.Data, status)
	}
}

func TestListen_Threat22_AFloodOfOnePrincipalIsRefused(t *testing.T) {
	h, url := capped(t, 5, 2)
	first := acked(t, url, aUpdates, as("ann"))
	acked(t, url, aUpdates, as("ann"))
	for range 100 {
		wantTooMany(t, url, http.StatusTooManyRequests, as("ann"))
	}
	acked(t, url, aUpdates, as("bob")) // is not hurt
	acked(t, url, aUpdates, nil)       // nobody in particular
	acked(t, url, aUpdates, nil)
	wantTooMany(t, url, http.StatusServiceUnavailable, as("carl"))
	if open := h.Listens(); open != 5+3 {
		t.Errorf("%d streams and principals", open)
	}
	_ = first.res.Body.Close()
	eventually(t, "the place is free", func() bool {
		return openListen(t, url, `1`, `{}`, as("ann")).res.StatusCode == http.StatusOK
	})
}

func TestListen_Threat22_AFloodInAllIsRefused(t *testing.T) {
	_, url := capped(t, 2, -1)
	for range 2 {
		acked(t, url, aUpdates, as("ann"))
	}
	for range 100 {
		wantTooMany(t, url, http.StatusServiceUnavailable, as("ann"))
	}
}

func TestListen_TheDefaultsAre64OfAPrincipalAndNegativeMeansNone(t *testing.T) {
	_, bounded := capped(t, 0, 0)
	_, unbounded := capped(t, -1, -1)
	for range 64 {
		acked(t, bounded, aUpdates, as("ann"))
		acked(t, unbounded, aUpdates, as("ann"))
	}
	wantTooMany(t, bounded, http.StatusTooManyRequests, as("ann"))
	acked(t, unbounded, aUpdates, as("ann"))
	acked(t, bounded, aUpdates, as("bob"))
}

func TestListen_RefusedRequestsTakeNoPlace(t *testing.T) {
	h, url := capped(t, 1, 1)
	for range 20 {
		l := openListen(t, url, `1`, `5`, as("ann"))
		body := readAll(t, l.lines)
		if l.res.StatusCode != http.StatusBadRequest {
			t.Fatalf("status %d: %s", l.res.StatusCode, body)
		}
		eventually(t, "the place is free", func() bool { return h.Listens() == 0 })
	}
}

func TestListen_Threat22_OneSubscriptionNamesABoundedNumberOfResources(t *testing.T) {
	_, url := capped(t, 0, 0)
	uris := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"test:%d"`, i))
		}
		return `{"resourceSubscriptions":[` + strings.Join(list, ",") + `]}`
	}
	acked(t, url, uris(1024), nil)
	l := openListen(t, url, `1`, uris(1025), nil)
	wantError(t, []byte(readAll(t, l.lines)), -32602, "1")
	if l.res.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", l.res.StatusCode)
	}
}
