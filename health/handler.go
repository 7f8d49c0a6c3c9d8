package health

import (
	"net/http"
	"strings"
)

// Where [Monitor.Handler] answers.
const (
	PathLive    = "/livez"
	PathReady   = "/readyz"
	PathStartup = "/startupz"
)

// Handler answers probes at [PathLive], [PathReady] and [PathStartup], and
// nothing else. A probe without details reads memory and does not allocate.
func (m *Monitor) Handler() http.Handler { return handler{m} }

type handler struct{ m *Monitor }

// Shared by all answers, so that one costs no memory; nobody changes them.
var (
	headerJSON    = []string{"application/health+json"}
	headerText    = []string{"text/plain; charset=utf-8"}
	headerNoStore = []string{"no-store"}
	headerNosniff = []string{"nosniff"}
	bodies        = [...]struct{ json, text []byte }{
		Healthy:   {[]byte("{\"status\":\"pass\"}\n"), []byte("healthy\n")},
		Degraded:  {[]byte("{\"status\":\"warn\"}\n"), []byte("degraded\n")},
		Unhealthy: {[]byte("{\"status\":\"fail\"}\n"), []byte("unhealthy\n")},
	}
)

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var status Status
	switch r.URL.Path {
	case PathLive:
	case PathReady:
		status = h.m.Status()
	case PathStartup:
		if !h.m.Started() {
			status = Unhealthy
		}
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	asText := prefersText(r.Header["Accept"])
	body := bodies[status].json
	if asText {
		body = bodies[status].text
	}
	if r.URL.Path != PathLive && h.m.opts.Details != nil && h.m.opts.Details(r) {
		body = h.m.detailed(status, asText)
	}
	header := w.Header()
	header["Content-Type"] = headerJSON
	if asText {
		header["Content-Type"] = headerText
	}
	header["Cache-Control"] = headerNoStore
	header["X-Content-Type-Options"] = headerNosniff
	if status == Unhealthy {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a prober that left
	}
}

func (m *Monitor) detailed(status Status, asText bool) []byte {
	report := m.Report()
	if asText {
		return []byte(report.text(status))
	}
	return m.encode(report, status)
}

// prefersText reports whether a client asks for plain text rather than JSON: it
// names text/plain, or text/*, and before any JSON. Weights are not weighed:
// who lists both is served what it lists first.
func prefersText(accept []string) bool {
	for _, line := range accept {
		for len(line) > 0 {
			var item string
			item, line, _ = strings.Cut(line, ",")
			item, _, _ = strings.Cut(item, ";")
			switch item = strings.TrimSpace(item); {
			case strings.EqualFold(item, "text/plain"), item == "text/*":
				return true
			case strings.EqualFold(item, headerJSON[0]), strings.EqualFold(item, "application/json"), item == "*/*":
				return false
			}
		}
	}
	return false
}
