package middleware_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

func TestFailure_KnowsEveryShapeOfOne(t *testing.T) {
	boom := errors.New("boom")
	set := &mcp.CallToolResult{}
	set.SetError(boom)
	var nilTool *mcp.CallToolResult
	var nilPrompt *mcp.GetPromptResult
	tests := []struct {
		name string
		res  mcp.Result
		err  error
		want error
	}{
		{"a result", text("x"), nil, nil},
		{"nothing", nil, nil, nil},
		{"a typed nil tool result", nilTool, nil, nil},
		{"a typed nil prompt result", nilPrompt, nil, nil},
		{"an error", nil, boom, boom},
		{"an error with a typed nil", nilTool, boom, boom},
		{"an isError result with its error", set, nil, boom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := middleware.Failure(tt.res, tt.err); !errors.Is(got, tt.want) || (got == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFailure_ReadsTheCodeOfAResultFromItsMeta(t *testing.T) {
	coded := &mcperrors.Error{
		Code: mcperrors.Conflict, Message: "taken", RetryAfter: time.Second, Details: map[string]any{"by": "bob"},
	}
	res := text("taken")
	res.IsError = true
	res.Meta = mcp.Meta{middleware.ErrorMetaKey: coded.Data()}

	raw, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var sent mcp.CallToolResult
	if err := json.Unmarshal(raw, &sent); err != nil {
		t.Fatal(err)
	}
	for name, res := range map[string]*mcp.CallToolResult{"kept": res, "sent": &sent} {
		got := mcperrors.From(middleware.Failure(res, nil))
		if got.Code != coded.Code || got.Message != "taken" || got.RetryAfter != time.Second || got.Details["by"] != "bob" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestFailure_OfAnErrorResultThatSaysNothingElseHasNoKnownCode(t *testing.T) {
	for name, meta := range map[string]mcp.Meta{
		"no meta":          nil,
		"foreign meta":     {middleware.ErrorMetaKey: 7},
		"unencodable meta": {middleware.ErrorMetaKey: func() {}},
	} {
		res := &mcp.CallToolResult{IsError: true, Meta: meta}
		err := middleware.Failure(res, nil)
		if err == nil || mcperrors.CodeOf(err) != mcperrors.Internal {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
