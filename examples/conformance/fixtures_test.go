package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
)

func TestTools_AnswerAsTheSuiteExpects(t *testing.T) {
	const rounds = "test_input_required_result_"
	tests := []struct {
		tool string
		args map[string]any
		want string // in the text
	}{
		{"test_simple_text", nil, "This is a simple text response for testing."},
		{"test_multiple_content_types", nil, "Multiple content types"},
		{"test_tool_with_logging", nil, "Three log messages"},
		{"test_tool_with_progress", nil, "Progress was reported"},
		{"test_streaming_elicitation", nil, "Progress was reported"},
		{"test_logging_tool", nil, "log message"},
		{"test_sampling", map[string]any{"prompt": "Capital of France?"}, "LLM response: Paris"},
		{"test_elicitation", map[string]any{"message": "Who are you?"}, `action=accept, content={"username":"ada","email":"ada@example.com"}`},
		{"test_elicitation_sep1034_defaults", nil, "action=accept"},
		{"test_elicitation_sep1330_enums", nil, "action=accept"},
		{"json_schema_2020_12_tool", map[string]any{"name": "Ada", "contactMethod": "phone", "phone": "1"}, `"phone":"1"`},
		{"test_x_mcp_header", map[string]any{"region": "eu"}, "region=eu"},
		{"test_missing_capability", nil, "can sample"},
		{"test_trigger_tool_change", nil, "tools changed"},
		{"test_trigger_prompt_change", nil, "prompts changed"},
		{rounds + "elicitation", nil, "Hello, Ada!"},
		{rounds + "sampling", nil, "The model says: Paris"},
		{rounds + "list_roots", nil, "The client has 0 roots"},
		{rounds + "request_state", nil, "state-ok"},
		{rounds + "multiple_inputs", nil, `Ada says "Paris". The client has 0 roots`},
		{rounds + "multi_round", nil, "Ada likes blue."},
		{rounds + "tampered_state", nil, "state-ok"},
		{rounds + "capabilities", nil, "3 questions were answered."},
	}
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		if _, err := c.ListTools(t.Context(), nil); err != nil { // tells the client of x-mcp-header
			t.Fatal(err)
		}
		for _, tt := range tests {
			var args any // a nil map would be sent as null
			if tt.args != nil {
				args = tt.args
			}
			if got := c.Call(tt.tool, args).OK().Text(); !strings.Contains(got, tt.want) {
				t.Errorf("%s answered %q, want %q in it", tt.tool, got, tt.want)
			}
		}
	}, mcptest.WithClient(ableClient()))
}

func TestTools_AnswerWithMedia(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		img, ok := c.Call("test_image_content", nil).OK().Result.Content[0].(*mcp.ImageContent)
		if !ok || img.MIMEType != "image/png" || !bytes.Equal(img.Data, pixel) {
			t.Errorf("image = %+v", img)
		}
		sound, ok := c.Call("test_audio_content", nil).OK().Result.Content[0].(*mcp.AudioContent)
		if !ok || sound.MIMEType != "audio/wav" || !bytes.Equal(sound.Data, silence) {
			t.Errorf("sound = %+v", sound)
		}
		res, ok := c.Call("test_embedded_resource", nil).OK().Result.Content[0].(*mcp.EmbeddedResource)
		if !ok || res.Resource.URI != "test://embedded-resource" || res.Resource.Text == "" {
			t.Errorf("resource = %+v", res)
		}
		if n := len(c.Call("test_multiple_content_types", nil).OK().Result.Content); n != 3 {
			t.Errorf("%d kinds of content, want 3", n)
		}
	})
}

func TestTools_FailWithAResultTheModelCanRead(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		for tool, code := range map[string]mcperrors.Code{
			"test_error_handling":      mcperrors.Conflict,
			"json_schema_2020_12_tool": mcperrors.Validation,
		} {
			call := c.Call(tool, map[string]any{}).Fails(code)
			if call.Result == nil || !call.Result.IsError || call.Text() == "" {
				t.Errorf("%s answered %+v", tool, call.Result)
			}
		}
	})
}

func TestTools_AskOnlyClientsThatCanAnswer(t *testing.T) {
	able := &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}}
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		for _, tool := range []string{"test_missing_capability", "test_input_required_result_sampling"} {
			call := c.Call(tool, nil)
			if call.Err == nil || !strings.Contains(string(wireData(t, call)), `"requiredCapabilities":{"sampling":{}}`) {
				t.Errorf("%s ended with %v", tool, call.Err)
			}
		}
		if got := c.Call("test_input_required_result_capabilities", nil).OK().Text(); !strings.HasPrefix(got, "0 questions") {
			t.Errorf("a client without capabilities was asked: %s", got)
		}
	}, mcptest.WithClient(able))
}

func TestProgress_ArrivesInOrder(t *testing.T) {
	done := make(chan float64, 3)
	client := &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
			done <- req.Params.Progress
		},
	}
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		params := &mcp.CallToolParams{Name: "test_tool_with_progress"}
		params.SetProgressToken("p")
		if _, err := c.CallTool(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		if got := []float64{<-done, <-done, <-done}; !slices.Equal(got, []float64{0, 50, 100}) {
			t.Errorf("progress %v", got)
		}
	}, mcptest.WithClient(client))
}

func TestLists_AreComplete(t *testing.T) {
	srv, err := newServer(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		tools, err := c.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(tools.Tools); n != 28 {
			t.Errorf("%d tools, want 28", n)
		}
		if first := tools.Tools[0]; !sameJSON(t, first.InputSchema, json.RawMessage(contactSchema)) {
			t.Errorf("the schema of %s changed: %v", first.Name, first.InputSchema)
		}
		prompts, err := c.ListPrompts(t.Context(), nil)
		if err != nil || len(prompts.Prompts) != 5 {
			t.Errorf("prompts: %v, %v", prompts, err)
		}
		resources, err := c.ListResources(t.Context(), nil)
		if err != nil || len(resources.Resources) != 3 {
			t.Errorf("resources: %v, %v", resources, err)
		}
	})
}

func TestResources_AreReadable(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		if got := read(t, c, "test://static-text"); got.MIMEType != "text/plain" || !strings.HasPrefix(got.Text, "This is the content") {
			t.Errorf("text = %+v", got)
		}
		if got := read(t, c, "test://static-binary"); got.MIMEType != "image/png" || !bytes.Equal(got.Blob, pixel) {
			t.Errorf("binary = %+v", got)
		}
		if got := read(t, c, "test://template/a%22b/data"); !sameJSON(t, json.RawMessage(got.Text),
			templateData{ID: `a"b`, Test: true, Data: `Data for ID: a"b`}) {
			t.Errorf("template = %+v", got)
		}
		if _, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "test://none"}); mcperrors.CodeOf(err) != mcperrors.NotFound {
			t.Errorf("a missing resource is %v", err)
		}
	})
}

func TestPrompts_AnswerAsTheSuiteExpects(t *testing.T) {
	tests := []struct {
		prompt string
		args   map[string]string
		want   string // in the JSON of the messages
	}{
		{"test_simple_prompt", nil, "This is a simple prompt for testing."},
		{"test_prompt_with_arguments", map[string]string{"arg1": "x", "arg2": "y"}, "arg1='x', arg2='y'"},
		{"test_prompt_with_embedded_resource", map[string]string{"resourceUri": "test://r"}, `"uri":"test://r"`},
		{"test_prompt_with_image", nil, `"mimeType":"image/png"`},
		{"test_input_required_result_prompt", nil, "Use this context: a rainy day"},
	}
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		for _, tt := range tests {
			res, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: tt.prompt, Arguments: tt.args})
			if err != nil {
				t.Errorf("%s: %v", tt.prompt, err)
				continue
			}
			if got := encode(t, res.Messages); !strings.Contains(got, tt.want) {
				t.Errorf("%s answered %s, want %s in it", tt.prompt, got, tt.want)
			}
		}
		res, err := c.Complete(t.Context(), &mcp.CompleteParams{
			Ref:      &mcp.CompleteReference{Type: "ref/prompt", Name: "test_prompt_with_arguments"},
			Argument: mcp.CompleteParamsArgument{Name: "arg1", Value: "par"},
		})
		if err != nil || !slices.Equal(res.Completion.Values, []string{"paris", "park", "party"}) {
			t.Errorf("completions: %+v, %v", res, err)
		}
	}, mcptest.WithClient(ableClient()))
}

// ableClient can be asked everything.
func ableClient() *mcp.ClientOptions {
	return &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "test", Content: &mcp.TextContent{Text: "Paris"}}, nil
		},
		ElicitationHandler: fill,
	}
}

// fill answers the questions of a form that it knows, and leaves out the rest.
func fill(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	raw, err := json.Marshal(req.Params.RequestedSchema)
	if err != nil {
		return nil, err
	}
	var form struct{ Properties map[string]any }
	if err := json.Unmarshal(raw, &form); err != nil {
		return nil, fmt.Errorf("%s: %w", raw, err)
	}
	content := map[string]any{}
	for key, value := range map[string]any{
		"name": "Ada", "color": "blue", "ok": true, "context": "a rainy day",
		"username": "ada", "email": "ada@example.com",
	} {
		if form.Properties[key] != nil {
			content[key] = value
		}
	}
	return &mcp.ElicitResult{Action: "accept", Content: content}, nil
}

func sameJSON(t *testing.T, a, b any) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(encode(t, a)), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(encode(t, b)), &y); err != nil {
		t.Fatal(err)
	}
	return encode(t, x) == encode(t, y)
}

// encode keeps <, > and & as they are.
func encode(t *testing.T, v any) string {
	t.Helper()
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
