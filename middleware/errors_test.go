package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/middleware"
)

func TestErrors_AnswersEveryCodeByTheTable(t *testing.T) {
	requests := map[string]func(name, version string) mcp.Request{
		"tools/call":  func(n, v string) mcp.Request { return callRequest(n, v) },
		"prompts/get": func(n, v string) mcp.Request { return promptRequest(n, v) },
	}
	for _, version := range []string{legacy, modern} {
		for method, request := range requests {
			for _, code := range mcperrors.Codes() {
				t.Run(fmt.Sprint(version, method, code), func(t *testing.T) {
					shared := &mcperrors.Error{
						Code: code, Message: "public", Details: map[string]any{"k": "v"},
						RetryAfter: time.Second, Cause: errors.New(canary),
					}
					before := *shared
					ctx := middleware.WithRequestID(t.Context(), "r-1")
					h := middleware.Errors()(answering(nil, shared))
					res, err := h(ctx, method, request("x", version))
					if diff := cmp.Diff(before.Data(), shared.Data()); diff != "" {
						t.Errorf("the shared error was changed: %s", diff)
					}
					if method == "tools/call" && code.IsToolResult() {
						checkToolResult(t, res, err, code)
						return
					}
					wire, ok := err.(*jsonrpc.Error) //nolint:errorlint // the SDK drops the data of any other type
					if !ok || res != nil {
						t.Fatalf("got %v, %T", res, err)
					}
					if wire.Code != code.JSONRPC(method, version) {
						t.Errorf("JSON-RPC code %d, want %d", wire.Code, code.JSONRPC(method, version))
					}
					checkSent(t, wire, code)
				})
			}
		}
	}
}

func checkToolResult(t *testing.T, res mcp.Result, err error, code mcperrors.Code) {
	t.Helper()
	tool, ok := res.(*mcp.CallToolResult)
	if !ok || err != nil || !tool.IsError {
		t.Fatalf("got %v, %v, want an isError result", res, err)
	}
	wantCode(t, tool.GetError(), code)
	if got := tool.Content[0].(*mcp.TextContent).Text; got != "public" {
		t.Errorf("text is %q", got)
	}
	data, ok := tool.Meta[middleware.ErrorMetaKey].(mcperrors.Data)
	if !ok || data.Type != code || data.RequestID != "r-1" || data.Timestamp == "" || data.RetryAfterMs != 1000 {
		t.Errorf("_meta has %+v", data)
	}
	raw, err := json.Marshal(tool)
	if err != nil || strings.Contains(string(raw), canary) {
		t.Errorf("sent %s, %v", raw, err)
	}
}

func checkSent(t *testing.T, wire *jsonrpc.Error, code mcperrors.Code) {
	t.Helper()
	got := mcperrors.From(wire)
	if got.Code != code || got.RequestID != "r-1" || got.Time.IsZero() || got.RetryAfter != time.Second {
		t.Errorf("data is %s", wire.Data)
	}
	public := code != mcperrors.Internal
	if (wire.Message == "public") != public || (got.Details["k"] == "v") != public {
		t.Errorf("message is %q, data %s", wire.Message, wire.Data)
	}
	if strings.Contains(wire.Message+string(wire.Data), canary) {
		t.Error("the cause was sent")
	}
}

func TestErrors_PassesResultsUntouched(t *testing.T) {
	own := text("no such city")
	own.IsError = true
	written := text("no such city")
	written.SetError(errors.New("city table: " + canary))
	for name, want := range map[string]mcp.Result{
		"success": text("x"), "isError": own, "isError with an error": written, "list": &mcp.ListToolsResult{},
	} {
		got, err := middleware.Errors()(answering(want, nil))(t.Context(), "tools/call", nil)
		if got != want || err != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestErrors_CalledTwiceChangesNothingMore(t *testing.T) {
	for _, code := range mcperrors.Codes() {
		once := middleware.Errors()(answering(nil, mcperrors.Errorf(code, "public")))
		twice := middleware.Errors()(once)
		res, err := twice(t.Context(), "tools/call", callRequest("x", modern))
		wantCode(t, middleware.Failure(res, err), code)
		if wire, ok := errors.AsType[*jsonrpc.Error](err); ok && wire.Code != code.JSONRPC("tools/call", modern) {
			t.Errorf("%s: got %+v", code, wire)
		}
	}
}

func TestErrors_TreatsTheErrorOfATypedToolLikeAnyOther(t *testing.T) {
	type in struct {
		N int `json:"n"`
	}
	returns := map[string]error{
		"plain":      errors.New("dial: password=" + canary),
		"denied":     mcperrors.Wrap(mcperrors.Authorization, "not yours", errors.New(canary)),
		"invalid":    fmt.Errorf("around %s: %w", canary, mcperrors.Errorf(mcperrors.Validation, "n is odd")),
		"on purpose": fmt.Errorf("around %s: %w", canary, &jsonrpc.Error{Code: 4711, Message: "mine"}),
	}
	s := bare(middleware.Errors())
	for name, err := range returns {
		mcp.AddTool(s, &mcp.Tool{Name: strings.ReplaceAll(name, " ", "-")},
			func(context.Context, *mcp.CallToolRequest, in) (*mcp.CallToolResult, any, error) {
				return nil, nil, err
			})
	}
	inBothEras(t, func(t *testing.T, version string) {
		cs := dial(t, s, version)
		call := func(name string, args any) (string, error) {
			res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: args})
			raw, _ := json.Marshal([]any{res, err})
			if strings.Contains(string(raw), canary) {
				t.Errorf("%s: sent %s", name, raw)
			}
			return string(raw), middleware.Failure(res, err)
		}
		args := map[string]any{"n": 1}
		_, err := call("plain", args)
		if wantCode(t, err, mcperrors.Internal); wireError(t, err).Code != jsonrpc.CodeInternalError {
			t.Errorf("got %v", err)
		}
		_, err = call("denied", args)
		if wantCode(t, err, mcperrors.Authorization); wireError(t, err).Code != 403 {
			t.Errorf("got %v", err)
		}
		raw, err := call("invalid", args)
		if wantCode(t, err, mcperrors.Validation); !strings.Contains(raw, "n is odd") {
			t.Errorf("sent %s", raw)
		}
		_, err = call("on-purpose", args)
		if wire := wireError(t, err); wire.Code != 4711 || wire.Message != "mine" {
			t.Errorf("got %+v", wire)
		}
		raw, err = call("plain", map[string]any{"n": "one"})
		if wantCode(t, err, mcperrors.Validation); !strings.Contains(raw, "integer") {
			t.Errorf("the model cannot mend the call by %s", raw)
		}
	})
}

func TestErrors_SendsAJSONRPCErrorMadeOnPurposeAsItIs(t *testing.T) {
	mine := &jsonrpc.Error{Code: 4711, Message: "mine", Data: json.RawMessage(`{"a":1}`)}
	tests := []struct {
		name    string
		err     error
		message string
		data    string // "" means ours
	}{
		{"bare", mine, "mine", `{"a":1}`},
		{"wrapped", fmt.Errorf("around %s: %w", canary, mine), "mine", `{"a":1}`},
		{"without data", &jsonrpc.Error{Code: 4711, Message: "mine"}, "mine", ""},
		{"with broken data", &jsonrpc.Error{Code: 4711, Data: json.RawMessage(`{"uri":"\x01"}`)}, "", ""},
		{"too long", &jsonrpc.Error{Code: 4711, Message: strings.Repeat("é", 1<<20)}, strings.Repeat("é", 2046) + "…", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := middleware.WithRequestID(t.Context(), "r-1")
			_, err := middleware.Errors()(answering(nil, tt.err))(ctx, "tools/call", callRequest("x", modern))
			wire, ok := err.(*jsonrpc.Error) //nolint:errorlint // exactly this type
			if !ok || wire.Code != 4711 || wire.Message != tt.message {
				t.Fatalf("got %T %v", err, err)
			}
			if tt.data != "" && string(wire.Data) != tt.data {
				t.Errorf("data is %s", wire.Data)
			}
			if tt.data == "" && mcperrors.From(wire).RequestID != "r-1" {
				t.Errorf("data is %s", wire.Data)
			}
		})
	}
}

func TestErrors_KeepsACodedErrorThatHidesAJSONRPCError(t *testing.T) {
	upstream := &jsonrpc.Error{Code: 4711, Message: canary}
	h := middleware.Errors()(answering(nil, mcperrors.Wrap(mcperrors.Unavailable, "busy", upstream)))
	_, err := h(t.Context(), "tools/call", callRequest("x", modern))
	if wire := wireError(t, err); wire.Code != 503 || wire.Message != "busy" {
		t.Errorf("got %+v", wire)
	}
}

func TestErrors_IsCanceledWhenTheCallerLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{errors.New("driver: bad connection"), context.Canceled, context.DeadlineExceeded} {
		_, got := middleware.Errors()(answering(nil, err))(ctx, "tools/call", callRequest("x", modern))
		wantCode(t, got, mcperrors.Canceled)
	}
	panics := func(context.Context, string, mcp.Request) (mcp.Result, error) { panic(canary) }
	_, got := middleware.Errors()(panics)(ctx, "tools/call", callRequest("x", modern))
	wantCode(t, got, mcperrors.Internal)
}

func TestErrors_ReturnsTheErrorOfANotificationAsItIs(t *testing.T) {
	want := errors.New("x")
	_, got := middleware.Errors()(answering(nil, want))(t.Context(), "notifications/progress", nil)
	if got != want { //nolint:errorlint // as it is
		t.Errorf("got %v", got)
	}
	if res, err := middleware.Errors()(answering(nil, nil))(t.Context(), "notifications/progress", nil); res != nil || err != nil {
		t.Errorf("got %v, %v", res, err)
	}
}

func TestErrors_SendsAResultEvenIfTheDetailsDoNotEncode(t *testing.T) {
	bad := &mcperrors.Error{Code: mcperrors.Conflict, Details: map[string]any{"f": func() {}}}
	res, err := middleware.Errors()(answering(nil, bad))(t.Context(), "tools/call", callRequest("x", modern))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(res); err != nil {
		t.Error(err)
	}
}

// A nil result without an error ends the process of a bare SDK server in the
// modern era: the SDK writes to it.
func TestErrors_AnswersAHandlerThatReturnsNothing(t *testing.T) {
	s := bare(middleware.Errors())
	tool(s, "hello", hello)
	tool(s, "nothing", func(context.Context) (*mcp.CallToolResult, error) { return nil, nil })
	s.AddPrompt(&mcp.Prompt{Name: "nothing"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return nil, nil
	})
	inBothEras(t, func(t *testing.T, version string) {
		cs := dial(t, s, version)
		_, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "nothing"})
		wantCode(t, err, mcperrors.Internal)
		_, err = cs.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "nothing"})
		wantCode(t, err, mcperrors.Internal)
		mustAnswer(t, cs)
	})
}

func TestErrors_RedactsWhatARawHandlerReturns(t *testing.T) {
	s := bare(middleware.Chain(middleware.RequestID(), middleware.Errors()))
	tool(s, "hello", hello)
	tool(s, "fails", func(context.Context) (*mcp.CallToolResult, error) {
		return nil, errors.New("dial: password=" + canary)
	})
	s.AddResource(&mcp.Resource{Name: "r", URI: "x://r"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return nil, errors.New(canary)
	})
	inBothEras(t, func(t *testing.T, version string) {
		cs := dial(t, s, version)
		_, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "fails"})
		wire := wireError(t, err)
		if wire.Message != "internal error" || mcperrors.From(wire).RequestID == "" || strings.Contains(string(wire.Data), canary) {
			t.Errorf("got %+v", wire)
		}
		_, err = cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "x://r"})
		if wire := wireError(t, err); wire.Message != "internal error" {
			t.Errorf("got %+v", wire)
		}
		mustAnswer(t, cs)
	})
}

func TestErrors_AnswersWhatDoesNotExistAlike(t *testing.T) {
	s := bare(middleware.Errors())
	tool(s, "hello", hello)
	s.AddPrompt(&mcp.Prompt{Name: "p"}, nil)
	s.AddResource(&mcp.Resource{Name: "r", URI: "x://r"}, nil)
	inBothEras(t, func(t *testing.T, version string) {
		cs := dial(t, s, version)
		_, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "delete-" + canary})
		wantWire(t, err, mcperrors.NotFound, jsonrpc.CodeInvalidParams, "unknown tool")
		_, err = cs.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: canary})
		wantWire(t, err, mcperrors.NotFound, jsonrpc.CodeInvalidParams, "unknown prompt")

		code := int64(jsonrpc.CodeInvalidParams)
		if !era.IsModern(version) {
			code = -32002
		}
		for _, uri := range []string{"x://none", "x://\x01", "x://a\nb", `x://"quoted"\`, "x://\x00\x7f\u2028é"} {
			_, err := cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
			wantWire(t, err, mcperrors.NotFound, code, "resource not found")
			var data struct{ URI string }
			if err := json.Unmarshal(wireError(t, err).Data, &data); err != nil || data.URI != uri {
				t.Errorf("data.uri is %q, want %q (%v)", data.URI, uri, err)
			}
			mustAnswer(t, cs)
		}
		_, err = cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "x://" + strings.Repeat("a", 1<<20)})
		if n := len(wireError(t, err).Data); n > 4<<10 {
			t.Errorf("%d bytes came back", n)
		}
		mustAnswer(t, cs)
	})
}

func wantWire(t *testing.T, err error, code mcperrors.Code, rpc int64, message string) {
	t.Helper()
	wire := wireError(t, err)
	wantCode(t, wire, code)
	if wire.Code != rpc || wire.Message != message || strings.Contains(string(wire.Data), canary) {
		t.Errorf("got %+v, want %d %q", wire, rpc, message)
	}
}
