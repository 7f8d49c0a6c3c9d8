package health_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/health"
)

func probe(m *health.Monitor, path string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, req)
	return rec
}

func TestHandler_AnswersEachProbeByItsOwnRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		codes := func(live, ready, startup int) {
			t.Helper()
			synctest.Wait()
			for path, want := range map[string]int{"/livez": live, "/readyz": ready, "/startupz": startup} {
				if got := probe(m, path).Code; got != want {
					t.Errorf("%s: %d, want %d", path, got, want)
				}
			}
		}
		db, cache := &subject{}, &subject{}
		db.set(errDown)
		codes(200, 200, 200)
		register(t, m, health.Check{Name: "db", Checker: db})
		register(t, m, health.Check{Name: "cache", Checker: cache, Optional: true})
		codes(200, 503, 503)
		db.set(nil)
		pass(time.Minute)
		codes(200, 200, 200)
		cache.set(errDown)
		pass(time.Minute)
		codes(200, 200, 200)
		if body := probe(m, "/readyz").Body.String(); body != "{\"status\":\"warn\"}\n" {
			t.Errorf("degraded: %q", body)
		}
		db.set(errDown)
		pass(time.Minute)
		codes(200, 503, 200)
		db.set(nil)
		pass(time.Minute)
		m.Drain()
		codes(200, 503, 200)
	})
}

func TestHandler_ShowsDetailsOnlyToWhomItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, &health.Options{
			Service: "notes", Release: "1.4.2",
			Details: func(r *http.Request) bool { return r.Header.Get("Operator") == "yes" },
		})
		db := &subject{}
		db.set(errDown)
		register(t, m, health.Check{Name: "db", Kind: "datastore", Checker: db})
		synctest.Wait()
		for _, path := range []string{"/readyz", "/startupz"} {
			for _, accept := range []string{"", "text/plain"} {
				if body := probe(m, path, "Accept", accept).Body.String(); strings.Contains(body, "db") || strings.Contains(body, "refused") {
					t.Errorf("a stranger was told %q", body)
				}
			}
			rec := probe(m, path, "Operator", "yes")
			var body struct {
				Status, ServiceID, ReleaseID string
				Notes                        []string
				Checks                       map[string][]struct {
					ComponentType, Status, ObservedUnit, Time, Output string
					ObservedValue                                     *float64
				}
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			c := body.Checks["db:responseTime"]
			if rec.Code != 503 || rec.Header().Get("Content-Type") != "application/health+json" || body.Status != "fail" ||
				body.ServiceID != "notes" || body.ReleaseID != "1.4.2" || len(body.Notes) != 1 || len(c) != 1 {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
			if c[0].ComponentType != "datastore" || c[0].Status != "fail" || c[0].Output != "connection refused" ||
				c[0].ObservedUnit != "ms" || c[0].ObservedValue == nil || c[0].Time == "" {
				t.Errorf("%+v", c[0])
			}
		}
		text := probe(m, "/readyz", "Operator", "yes", "Accept", "text/plain").Body.String()
		if want := "unhealthy (starting)\nunhealthy db (critical, since 2000-01-01T00:00:00Z, took 0s): connection refused\n"; text != want {
			t.Errorf("got %q", text)
		}
	})
}

func TestHandler_AnswersInTheFormatThatIsAskedFor(t *testing.T) {
	m := health.New(nil)
	for accept, text := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "application/health+json, text/plain": false,
		"text/plain": true, "Text/Plain;q=0.5, application/json": true, "text/*": true, "text/html, */*": false,
	} {
		rec := probe(m, "/readyz", "Accept", accept)
		wantType, wantBody := "application/health+json", "{\"status\":\"pass\"}\n"
		if text {
			wantType, wantBody = "text/plain; charset=utf-8", "healthy\n"
		}
		if rec.Header().Get("Content-Type") != wantType || rec.Body.String() != wantBody || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %v %q", accept, rec.Header(), rec.Body)
		}
	}
}

func TestHandler_ServesNothingElse(t *testing.T) {
	m := health.New(nil)
	if code := probe(m, "/").Code; code != http.StatusNotFound {
		t.Errorf("/: %d", code)
	}
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		rec := httptest.NewRecorder()
		m.Handler().ServeHTTP(rec, httptest.NewRequest(method, "/readyz", nil))
		if rec.Code != want || (method == http.MethodHead && rec.Body.Len() != 0) {
			t.Errorf("%s: %d %q", method, rec.Code, rec.Body)
		}
	}
}

// A sink is a ResponseWriter that costs nothing.
type sink struct{ header http.Header }

func (s sink) Header() http.Header       { return s.header }
func (sink) Write(b []byte) (int, error) { return len(b), nil }
func (sink) WriteHeader(int)             {}
func newProbe(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

func TestHandler_AProbeDoesNotAllocate(t *testing.T) {
	m := newMonitor(t, nil)
	register(t, m, health.Check{Name: "db", Checker: &subject{}})
	h, w := m.Handler(), http.ResponseWriter(sink{http.Header{}})
	for _, path := range []string{"/livez", "/readyz", "/startupz"} {
		req := newProbe(path)
		req.Header.Set("Accept", "*/*")
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, req) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func BenchmarkReadiness(b *testing.B) {
	m := health.New(nil)
	h, w, req := m.Handler(), http.ResponseWriter(sink{http.Header{}}), newProbe("/readyz")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, req)
	}
}

func FuzzHandler_Accept(f *testing.F) {
	f.Add("text/plain;q=0.1,*/*")
	m := health.New(nil)
	f.Fuzz(func(t *testing.T, accept string) {
		req := newProbe("/readyz")
		req.Header["Accept"] = []string{accept}
		rec := httptest.NewRecorder()
		m.Handler().ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			t.Errorf("%q: %d", accept, rec.Code)
		}
	})
}
