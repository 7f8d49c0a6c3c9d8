package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

const dirty, clean = "a\x1b[31mb\u202ec\u200bd\U000e0069e\u009b0mf", "abcdef"

func TestStripHidden_CleansEveryTextOfAnAnswerAndChangesNoSharedOne(t *testing.T) {
	quoted := strings.Trim(encode(t, dirty), `"`)
	for name, res := range map[string]mcp.Result{
		"tool": contents(
			say("first"), say(dirty), &mcp.ResourceLink{URI: "a:b", Name: dirty, Title: dirty, Description: dirty},
			&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "a:b", Text: dirty}},
		),
		"structured": &mcp.CallToolResult{StructuredContent: json.RawMessage(`{"a":["` + quoted + `"],"n":1.50}`)},
		"of a type":  &mcp.CallToolResult{StructuredContent: map[string]any{"a": []string{dirty}, "n": json.Number("1.50")}},
		"resource":   &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "a:c", Text: "x"}, {URI: "a:b", Text: dirty}}},
		"prompt": &mcp.GetPromptResult{Description: dirty, Messages: []*mcp.PromptMessage{
			{Role: "user", Content: say(dirty)}, {Role: "assistant", Content: &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{Text: dirty}}},
		}},
		"description only": &mcp.GetPromptResult{Description: dirty, Messages: []*mcp.PromptMessage{}},
		"completion":       &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{"x", dirty}}},
	} {
		t.Run(name, func(t *testing.T) {
			before := encode(t, res)
			got, err := through(middleware.StripHidden(), "", res, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(before, quoted, clean)
			if after := encode(t, got); after != want || before == want {
				t.Errorf("%s, want %s", after, want)
			}
			if encode(t, res) != before {
				t.Error("the shared result was changed")
			}
			if again, _ := through(middleware.StripHidden(), "", got, nil); again != got {
				t.Error("what is clean was copied")
			}
		})
	}
}

func TestStripHidden_LeavesBinaryDataAndMetaAlone(t *testing.T) {
	for _, res := range []mcp.Result{
		&mcp.CallToolResult{Meta: mcp.Meta{"x": dirty}, Content: []mcp.Content{&mcp.ImageContent{Data: []byte(dirty)}}},
		&mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "a:b", Blob: []byte(dirty)}, nil}},
		(*mcp.CallToolResult)(nil), (*mcp.ReadResourceResult)(nil), (*mcp.GetPromptResult)(nil), (*mcp.CompleteResult)(nil), nil,
	} {
		if got, err := through(middleware.StripHidden(), "", res, nil); got != res || err != nil {
			t.Errorf("%T: %v, %v", res, got, err)
		}
	}
}

func TestStripHidden_CleansWhatErrorsTellAndKeepsTheirCause(t *testing.T) {
	cause := errors.New(dirty)
	in := &mcperrors.Error{Code: mcperrors.Validation, Message: dirty, Details: map[string]any{"field": dirty, "n": 1}, Cause: cause}
	_, err := through(middleware.StripHidden(), "", nil, in)
	e := mcperrors.From(err)
	if e.Message != clean || e.Details["field"] != clean || e.Code != mcperrors.Validation || !errors.Is(err, cause) {
		t.Errorf("%+v", e)
	}
	if in.Message != dirty || in.Details["field"] != dirty {
		t.Error("the shared error was changed")
	}
	_, err = through(middleware.StripHidden(), "", nil, &jsonrpc.Error{Code: 7, Message: dirty, Data: json.RawMessage(`"\u001b[31m"`)})
	var wire *jsonrpc.Error
	if !errors.As(err, &wire) || wire.Code != 7 || wire.Message != clean || string(wire.Data) != `""` {
		t.Errorf("%+v", err)
	}
	plain := mcperrors.Errorf(mcperrors.Conflict, "plain")
	if _, err := through(middleware.StripHidden(), "", nil, plain); err != error(plain) { //nolint:errorlint // the very one
		t.Error("what is clean was copied")
	}
}

func TestStripHidden_CleansATypedToolsError(t *testing.T) {
	s := bare(middleware.Chain(middleware.Errors(), middleware.StripHidden()))
	type nothing struct{}
	mcp.AddTool(s, &mcp.Tool{Name: "fails"}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
		return nil, nil, mcperrors.Errorf(mcperrors.Conflict, "%s", dirty)
	})
	mcp.AddTool(s, &mcp.Tool{Name: "leaks"}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New(canary + dirty)
	})
	cs := dial(t, s, modern)
	res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "fails"})
	if err != nil || !res.IsError || !strings.Contains(encode(t, res), clean) || strings.Contains(encode(t, res), `\u001b`) {
		t.Errorf("%+v, %v", res, err)
	}
	res, err = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "leaks"})
	if err == nil || strings.Contains(err.Error()+encode(t, res), canary) {
		t.Errorf("an error without a code is told: %+v, %v", res, err)
	}
}
