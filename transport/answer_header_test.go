package transport_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/answerheader"
	"github.com/trestle-mcp/trestle/internal/watchdog"
)

// headerServer has tools that set a header of their answer, or are refused.
func headerServer(late func(answerheader.Setter)) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	object := json.RawMessage(`{"type":"object"}`)
	tool := func(name string, h mcp.ToolHandler) {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if name != "streams" {
				answerheader.From(ctx).SetHeader("X-Test", name)
			}
			return h(ctx, r)
		})
	}
	tool("plain", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult("x"), nil })
	tool("fails", func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, mcperrors.Errorf(mcperrors.RateLimited, "slow down").Wire("tools/call", legacy)
	})
	tool("streams", func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Progress: 1})
		answerheader.From(ctx).SetHeader("X-Test", "too late")
		return textResult("x"), nil
	})
	tool("answered", func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		watchdog.From(ctx).Answer(textResult("x"), nil)
		late(answerheader.From(ctx))
		return textResult("dropped"), nil
	})
	return s
}

func TestAnswerHeader_IsTheAnswersOfTheCall(t *testing.T) {
	done := make(chan struct{}, 2)
	_, ts := serve(t, headerServer(func(h answerheader.Setter) {
		h.SetHeader("X-Test", "too late")
		done <- struct{}{}
	}), nil)
	session := open(t, ts.URL, nil)
	for _, version := range []string{legacy, modern} {
		for tool, status := range map[string]int{"plain": 200, "fails": 429, "streams": 200, "answered": 200} {
			params := `"name":"` + tool + `","arguments":{}`
			if version == modern {
				params += "," + meta
			}
			res := post(t, ts.URL, version, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+params+`}}`, func(r *http.Request) {
				if version == legacy {
					inSession(session)(r)
				} else {
					routed("tools/call", tool)(r)
				}
			})
			readAll(t, res.Body)
			want := tool
			if tool == "streams" {
				want = ""
			}
			if got := res.Header.Get("X-Test"); got != want || res.StatusCode != status {
				t.Errorf("%s, %s: %d, header %q", version, tool, res.StatusCode, got)
			}
		}
	}
	<-done
	<-done
}

func TestAnswerHeader_OfABatchIsNobodys(t *testing.T) {
	h := newHandler(t, headerServer(nil), nil)
	session := play(t, h, "", strings.Replace(initialize(), legacy, "2025-03-26", 1), nil).Header().Get("Mcp-Session-Id")
	w := play(t, h, session, `[`+call("1", "plain")+`,`+call("2", "plain")+`]`, header("Mcp-Protocol-Version", "2025-03-26"))
	if w.Code != 200 || strings.Count(w.Body.String(), `"result"`) != 2 || w.Header().Get("X-Test") != "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestAnswerHeader_NeedsATransport(t *testing.T) {
	if answerheader.From(t.Context()) != nil {
		t.Error("a header from nowhere")
	}
}
