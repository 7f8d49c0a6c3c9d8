package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/transport"
)

var update = flag.Bool("update", false, "rewrite the golden files below testdata")

// A recording is a conversation over HTTP, written down as it goes: what the
// client sends behind ">", what it gets behind "<". Random ids are numbered.
type recording struct {
	t   *testing.T
	url string
	log strings.Builder
	ids map[string]string
	id  string // of the legacy session
}

// An answerTo is one of its answers, maybe still under way.
type answerTo struct {
	r   *recording
	res *http.Response
	in  *bufio.Reader
	cut context.CancelFunc
}

// randomID is what crypto/rand.Text makes.
var randomID = regexp.MustCompile(`[A-Z2-7]{26}`)

func (r *recording) note(mark, text string) {
	text = randomID.ReplaceAllStringFunc(text, func(id string) string {
		if r.ids[id] == "" {
			r.ids[id] = fmt.Sprintf("ID%d", len(r.ids)+1)
		}
		return r.ids[id]
	})
	for line := range strings.Lines(strings.TrimSuffix(text, "\n") + "\n") {
		r.log.WriteString(strings.TrimRight(mark+" "+line, " \n") + "\n")
	}
}

// send makes a request and notes it, with the start of the answer.
func (r *recording) send(method, version, body string, alter ...func(*http.Request)) *answerTo {
	r.t.Helper()
	a := r.try(method, version, body, alter...)
	r.noteExchange(a, method, body)
	return a
}

func (r *recording) try(method, version, body string, alter ...func(*http.Request)) *answerTo {
	r.t.Helper()
	ctx, cut := context.WithCancel(r.t.Context())
	r.t.Cleanup(cut)
	res := post(r.t, r.url, version, body, func(req *http.Request) {
		*req = *req.WithContext(ctx)
		req.Method = method
		if r.id != "" && version != modern {
			inSession(r.id)(req)
		}
		for _, change := range alter {
			change(req)
		}
	})
	return &answerTo{r, res, bufio.NewReader(res.Body), cut}
}

func (r *recording) noteExchange(a *answerTo, method, body string) {
	r.note(">", method)
	r.noteHeader(">", a.res.Request.Header)
	if body != "" {
		r.note(">", "\n"+body)
	}
	r.note("<", a.res.Status)
	r.noteHeader("<", a.res.Header)
	r.note("<", "")
}

func (r *recording) noteHeader(mark string, h http.Header) {
	var lines []string
	for name, values := range h {
		if name != "Date" && name != "Content-Length" {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		r.note(mark, line)
	}
}

// until notes whole events, up to one with part in it.
func (a *answerTo) until(part string) *answerTo {
	a.r.t.Helper()
	for event := ""; ; {
		line, err := a.in.ReadString('\n')
		if err != nil {
			a.r.t.Fatalf("the stream ended before %q: %v\n%s", part, err, a.r.log.String())
		}
		if event += line; line != "\n" {
			continue
		}
		a.r.note("<", event)
		if strings.Contains(event, part) {
			return a
		}
		event = ""
	}
}

// rest notes all that is still to come.
func (a *answerTo) rest() *answerTo {
	a.r.t.Helper()
	if body := readAll(a.r.t, a.in); body != "" {
		a.r.note("<", body)
	}
	a.r.log.WriteString("\n")
	return a
}

// leave cuts the connection.
func (a *answerTo) leave() {
	a.cut()
	a.r.log.WriteString("# the client's connection breaks\n\n")
}

// open opens the legacy session.
func (r *recording) open(version, capabilities string) {
	r.t.Helper()
	a := r.send("POST", "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+version+
		`","capabilities":`+capabilities+`,"clientInfo":{"name":"c","version":"1"}}}`).rest()
	r.id = a.res.Header.Get("Mcp-Session-Id")
	r.send("POST", version, `{"jsonrpc":"2.0","method":"notifications/initialized"}`).rest()
}

// resume fetches a stream, as soon as the server has noticed that it was left.
func (r *recording) resume(version, after string) *answerTo {
	r.t.Helper()
	for {
		a := r.try("GET", version, "", header("Last-Event-ID", after))
		if a.res.StatusCode != http.StatusConflict {
			r.noteExchange(a, "GET", "")
			return a
		}
		_ = a.res.Body.Close()
	}
}

// spoken is the real id behind its number.
func (r *recording) spoken(number, rest string) string {
	r.t.Helper()
	for id, numbered := range r.ids {
		if numbered == number {
			return id + rest
		}
	}
	r.t.Fatalf("no %s in\n%s", number, r.log.String())
	return ""
}

// check compares with the golden file.
func (r *recording) check(name string) {
	r.t.Helper()
	file := filepath.Join("testdata", "wire", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(r.log.String()), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	// On a slow machine a call is long enough to be told that it is alive.
	got := strings.ReplaceAll(r.log.String(), "< : keep-alive\n<\n", "")
	if diff := cmp.Diff(string(want), got); diff != "" {
		r.t.Errorf("%s, -want +got (rewrite it with -update):\n%s", file, diff)
	}
}

// goldenServer has tools that speak during their call; step lets them go on.
func goldenServer(step <-chan struct{}) *mcp.Server {
	s := wireServer()
	object := json.RawMessage(`{"type":"object"}`)
	progress := func(ctx context.Context, r *mcp.CallToolRequest, n float64) {
		_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: n, Total: 2, Message: "working"})
	}
	s.AddTool(&mcp.Tool{Name: "elicit", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		res, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "sure?", RequestedSchema: object})
		if err != nil {
			return nil, err
		}
		return textResult(res.Action + fmt.Sprint(res.Content)), nil
	})
	s.AddTool(&mcp.Tool{Name: "report", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		progress(ctx, r, 1)
		_ = r.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Logger: "l", Data: "half"})
		_ = r.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "debug", Data: "not asked for"})
		progress(ctx, r, 2)
		return textResult("done"), nil
	})
	s.AddTool(&mcp.Tool{Name: "steps", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		progress(ctx, r, 1)
		<-step
		progress(ctx, r, 2)
		return textResult("done"), nil
	})
	s.AddTool(&mcp.Tool{Name: "poll", InputSchema: object}, func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		r.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 50 * time.Millisecond})
		<-step
		return textResult("late"), nil
	})
	for _, code := range []mcperrors.Code{mcperrors.Unauthenticated, mcperrors.Authorization, mcperrors.RateLimited, mcperrors.Unavailable} {
		refusal := &mcperrors.Error{Code: code, RetryAfter: 1500 * time.Millisecond, Scopes: []string{"notes:read", "notes:write"}}
		s.AddTool(&mcp.Tool{Name: string(code), InputSchema: object}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return nil, refusal
		})
	}
	return s
}

// withToken is a call with a progress token.
func withToken(id, tool string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + tool + `","_meta":{"progressToken":"p"}}}`
}

func refusals() []mcperrors.Code {
	return []mcperrors.Code{mcperrors.Unauthenticated, mcperrors.Authorization, mcperrors.RateLimited, mcperrors.Unavailable}
}

func TestGolden_WireSessions(t *testing.T) {
	const asModern = `"_meta":{"io.modelcontextprotocol/logLevel":"info","progressToken":"p",`
	post := func(r *recording, tool, params string) {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `",` + params + meta + `}}`
		r.send("POST", modern, body, routed("tools/call", tool)).rest()
	}
	for name, play := range map[string]func(r *recording, step chan<- struct{}){
		"legacy_elicitation": func(r *recording, _ chan<- struct{}) {
			r.open(legacy, `{"elicitation":{}}`)
			call := r.send("POST", legacy, call("1", "elicit")).until("elicitation/create")
			r.send("POST", legacy, `{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"sure":true}}}`).rest()
			call.rest()
			r.send("DELETE", legacy, "").rest()
			r.send("POST", legacy, `{"jsonrpc":"2.0","id":2,"method":"ping"}`).rest()
		},
		"legacy_resumption": func(r *recording, step chan<- struct{}) {
			r.open(legacy, `{}`)
			r.send("POST", legacy, withToken("1", "steps")).until(`"progress":1`).leave()
			again := r.resume(legacy, r.spoken("ID2", "_1"))
			step <- struct{}{}
			again.rest()
			r.resume(legacy, r.spoken("ID2", "_0")).rest()
		},
		"legacy_polling": func(r *recording, step chan<- struct{}) {
			r.open(legacy, `{}`)
			r.send("POST", legacy, call("1", "poll")).rest()
			again := r.resume(legacy, r.spoken("ID2", "_0"))
			step <- struct{}{}
			again.rest()
		},
		"legacy_report": func(r *recording, _ chan<- struct{}) {
			r.open("2025-06-18", `{}`)
			r.send("POST", "2025-06-18", `{"jsonrpc":"2.0","id":"level","method":"logging/setLevel","params":{"level":"info"}}`).rest()
			r.send("POST", "2025-06-18", withToken("1", "report")).rest()
		},
		"legacy_batch": func(r *recording, _ chan<- struct{}) {
			r.open("2025-03-26", `{}`)
			r.send("POST", "2025-03-26", `[`+call("1", "rate_limited")+`,{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}]`).rest()
		},
		"legacy_refusals": func(r *recording, _ chan<- struct{}) {
			r.open(legacy, `{}`)
			for _, code := range refusals() {
				r.send("POST", legacy, call("1", string(code)), header("Authorization", "Bearer t")).rest()
			}
		},
		"modern_elicitation": func(r *recording, _ chan<- struct{}) {
			post(r, "ask", "")
			post(r, "ask", `"requestState":"s","inputResponses":{"q":{"action":"accept","content":{"sure":true}}},`)
		},
		"modern_report": func(r *recording, _ chan<- struct{}) {
			body := strings.Replace(modernCall("1", "report"), `"_meta":{`, asModern, 1)
			r.send("POST", modern, body, routed("tools/call", "report")).rest()
		},
		"modern_refusals": func(r *recording, _ chan<- struct{}) {
			for _, code := range refusals() {
				post(r, string(code), "")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			step := make(chan struct{})
			_, ts := serve(t, goldenServer(step), &transport.Options{ResourceMetadata: metadataURL})
			r := &recording{t: t, url: ts.URL, ids: map[string]string{}}
			play(r, step)
			r.check(name)
		})
	}
}
