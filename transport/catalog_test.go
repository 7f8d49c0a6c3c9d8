package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

func manyTools(n int) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	for i := range n {
		s.AddTool(&mcp.Tool{Name: fmt.Sprintf("tool%03d", i), Description: "d", InputSchema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}}}`)},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult(""), nil })
	}
	return s
}

func TestCatalog_ShowsEachCallerWhatItsListHolds(t *testing.T) {
	s := manyTools(30)
	visible, round := 0, 0
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			if list, ok := res.(*mcp.ListToolsResult); ok {
				list.Tools = slices.DeleteFunc(list.Tools, func(t *mcp.Tool) bool { return t.Name >= fmt.Sprintf("tool%03d", visible) })
				list.TTLMs = 100*round + visible
			}
			return res, err
		}
	})
	h := handler(t, s)
	for round = range 4 { // first more than are kept, then the same with other hints
		for visible = range 12 - 3*round {
			w := recorded(t, h, "tools/list", "", "")
			body := w.Body.String()
			if n := strings.Count(body, `"tool0`); n != visible || !strings.Contains(body, fmt.Sprintf(`"ttlMs":%d,`, 100*round+visible)) || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d tools, want %d: %s", n, visible, body)
			}
		}
	}
	visible = 100
	s.AddTool(&mcp.Tool{Name: "tool001", Description: "changed", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult(""), nil })
	if body := recorded(t, h, "tools/list", "", "").Body.String(); !strings.Contains(body, `"changed"`) {
		t.Errorf("a changed tool: %s", body)
	}
}

// What is kept is sent again whole, and is not harmed by how it was sent.
func TestCatalog_AnswersAlikeInEveryForm(t *testing.T) {
	h := newHandler(t, manyTools(30), nil)
	session := play(t, h, "", strings.Replace(initialize(), legacy, "2025-03-26", 1), nil).Header().Get("Mcp-Session-Id")
	const list = `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}`
	const modernList = `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{` + meta + `}}`
	stream := header("Accept", "text/event-stream, application/json")
	asModern := func(r *http.Request) {
		r.Header.Del("Mcp-Session-Id")
		r.Header.Set("Mcp-Protocol-Version", modern)
		r.Header.Set("Mcp-Method", "tools/list")
	}
	want := map[string]string{
		"legacy": play(t, h, session, list, nil).Body.String(),
		"modern": play(t, h, "", modernList, asModern).Body.String(),
	}
	for range 3 {
		for _, c := range []struct {
			name, era, body string
			alter           func(*http.Request)
			unwrap          func(string) string
		}{
			{"plain", "legacy", list, nil, nil},
			{"stream", "legacy", list, stream, lastData},
			{"batch", "legacy", "[" + list + "]", nil, func(s string) string { return s[1 : len(s)-1] }},
			{"plain", "modern", modernList, asModern, nil},
			{"stream", "modern", modernList, func(r *http.Request) { asModern(r); stream(r) }, lastData},
		} {
			w := play(t, h, session, c.body, c.alter)
			got := w.Body.String()
			if n := w.Header().Get("Content-Length"); n != "" && n != strconv.Itoa(len(got)) {
				t.Errorf("%s, %s: %d bytes, %s told", c.era, c.name, len(got), n)
			}
			if c.unwrap != nil {
				got = c.unwrap(got)
			}
			if got != want[c.era] || strings.Count(got, `"tool0`) != 30 || !json.Valid([]byte(got)) {
				t.Errorf("%s, %s: %s", c.era, c.name, got)
			}
		}
	}
}

// lastData returns the data of the last event of a stream.
func lastData(stream string) string {
	return strings.TrimSpace(stream[strings.LastIndex(stream, "data: ")+len("data: "):])
}

func BenchmarkModernList200(b *testing.B) {
	h, err := transport.NewHTTPHandler(manyTools(200), nil)
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, h, "tools/list", "", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+meta+`}}`, `"tool199"`)
}
