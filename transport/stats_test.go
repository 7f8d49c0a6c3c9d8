package transport_test

import (
	"net/http"
	"testing"

	"github.com/trestle-mcp/trestle/transport"
)

func TestHTTP_StatsCountWhatIsOpen(t *testing.T) {
	g := newGate()
	h, ts := serve(t, newServer(g), nil)
	if got := h.Stats(); got != (transport.Stats{}) {
		t.Errorf("at the beginning: %+v", got)
	}
	id := open(t, ts.URL, nil)
	stream, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	stream.Header.Set("Accept", "text/event-stream")
	stream.Header.Set("Mcp-Protocol-Version", legacy)
	inSession(id)(stream)
	events, err := http.DefaultClient.Do(stream)
	if err != nil {
		t.Fatal(err)
	}
	heard := acked(t, ts.URL, `{"toolsListChanged":true}`, nil)
	running := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait","arguments":{},` + meta + `}}`
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = readAll(t, post(t, ts.URL, modern, running, routed("tools/call", "wait")).Body)
	}()
	<-g.entered
	if got, want := h.Stats(), (transport.Stats{Sessions: 1, Running: 1, Streams: 1, Listens: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	close(g.leave)
	<-done
	_ = post(t, ts.URL, modern, "{{{", routed("tools/call", "wait")).Body.Close()
	_ = events.Body.Close()
	_ = heard.res.Body.Close()
	eventually(t, "all to end", func() bool { return h.Stats() == transport.Stats{Sessions: 1, Refused: 1} })
}
