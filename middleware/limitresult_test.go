package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

// through returns what layer makes of a result.
func through(layer mcp.Middleware, method string, res mcp.Result, err error) (mcp.Result, error) {
	return layer(func(context.Context, string, mcp.Request) (mcp.Result, error) { return res, err })(context.Background(), method, nil)
}

// limited is through LimitResult, which must leave res as it was.
func limited(t *testing.T, limit int, res mcp.Result) (mcp.Result, error) {
	t.Helper()
	before := encode(t, res)
	got, err := through(middleware.LimitResult(limit), "", res, nil)
	if after := encode(t, res); after != before {
		t.Errorf("the shared result was changed: %s", after)
	}
	return got, err
}

func encode(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func told(t *testing.T, meta mcp.Meta) (leftOut, limit int) {
	t.Helper()
	m, ok := meta[middleware.TruncatedMetaKey].(map[string]any)
	if !ok {
		t.Fatalf("_meta does not tell: %v", meta)
	}
	return m["leftOut"].(int), m["limit"].(int)
}

func contents(c ...mcp.Content) *mcp.CallToolResult { return &mcp.CallToolResult{Content: c} }

func say(s string) *mcp.TextContent { return &mcp.TextContent{Text: s} }

func TestLimitResult_PassesWhatFitsAsItIs(t *testing.T) {
	for _, res := range []mcp.Result{
		contents(say(strings.Repeat("x", 1000-32))),
		&mcp.CallToolResult{StructuredContent: json.RawMessage(`{"a":1}`), Content: []mcp.Content{say(`{"a":1}`)}},
		&mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "a:b", Blob: make([]byte, 700)}}},
		&mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: say("x")}}},
		&mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{"a"}}},
		&mcp.ListToolsResult{Tools: []*mcp.Tool{{Name: strings.Repeat("x", 2000)}}},
		(*mcp.CallToolResult)(nil), (*mcp.ReadResourceResult)(nil), (*mcp.GetPromptResult)(nil), (*mcp.CompleteResult)(nil), nil,
	} {
		if got, err := through(middleware.LimitResult(1000), "", res, nil); got != res || err != nil {
			t.Errorf("%T: %v, %v", res, got, err)
		}
	}
	huge := contents(say(strings.Repeat("x", 1<<20)))
	for _, none := range []int{0, -1} {
		if got, err := through(middleware.LimitResult(none), "", huge, nil); got != mcp.Result(huge) || err != nil {
			t.Errorf("%d is a limit", none)
		}
	}
}

func TestLimitResult_CutsTextAfterAWholeCharacterAndSaysHowMuchIsMissing(t *testing.T) {
	for _, limit := range []int{100, 101, 102, 103, 104} {
		in := strings.Repeat("漢😀ä", 1000)
		res, err := limited(t, limit, contents(say(in), say("later")))
		if err != nil {
			t.Fatal(err)
		}
		tool := res.(*mcp.CallToolResult)
		text := tool.Content[0].(*mcp.TextContent).Text
		kept, mark, found := strings.Cut(text, "\n")
		if !found || !utf8.ValidString(kept) || !strings.HasPrefix(in, kept) || len(kept) > limit-32 || len(kept) < limit-32-utf8.UTFMax {
			t.Fatalf("limit %d: kept %d bytes, %q", limit, len(kept), text)
		}
		if want := fmt.Sprintf("[truncated: %d of %d bytes left out]", len(in)-len(kept), len(in)); mark != want {
			t.Errorf("%q, want %q", mark, want)
		}
		if want := fmt.Sprintf("[truncated: 1 item left out, as the result is over its limit of %d bytes]", limit); tool.Content[1].(*mcp.TextContent).Text != want {
			t.Errorf("%q, want %q", tool.Content[1], want)
		}
		if leftOut, told := told(t, tool.Meta); leftOut != len(in)-len(kept)+32+len("later") || told != limit {
			t.Errorf("left out %d of %d", leftOut, told)
		}
	}
}

func TestLimitResult_NeverAnswersMoreThanTheLimitAndItsMarks(t *testing.T) {
	many := &mcp.CallToolResult{}
	read, prompt := &mcp.ReadResourceResult{}, &mcp.GetPromptResult{}
	for i := range 5000 {
		text := strings.Repeat("x", i%50)
		many.Content = append(many.Content, say(text), &mcp.ImageContent{Data: make([]byte, i%90), MIMEType: "image/png"})
		read.Contents = append(read.Contents, &mcp.ResourceContents{URI: "a:b", Text: text})
		prompt.Messages = append(prompt.Messages, &mcp.PromptMessage{Role: "assistant", Content: say(text)})
	}
	for _, res := range []mcp.Result{many, read, prompt} {
		got, err := limited(t, 4096, res)
		if err != nil {
			t.Fatal(err)
		}
		// JSON adds the names of members, for at most 4096/32 items.
		if size := len(encode(t, got)); size > 4096+128*60+500 || size < 3000 {
			t.Errorf("%T: %d bytes", res, size)
		}
	}
}

func TestLimitResult_LeavesOutWhatCannotBeCut(t *testing.T) {
	big := make([]byte, 3000)
	for name, c := range map[string]mcp.Content{
		"image": &mcp.ImageContent{Data: big, MIMEType: "image/png"},
		"audio": &mcp.AudioContent{Data: big, MIMEType: "audio/wav"},
		"blob":  &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "a:b", Blob: big}},
		"JSON":  &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "a:b", MIMEType: "application/json", Text: strings.Repeat("[", 3000)}},
		"link":  &mcp.ResourceLink{URI: "a:" + string(make([]byte, 3000))},
		"_meta": &mcp.TextContent{Meta: mcp.Meta{"x": strings.Repeat("x", 3000)}},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := limited(t, 1000, contents(say("first"), c, say("last")))
			if err != nil {
				t.Fatal(err)
			}
			got := encode(t, res.(*mcp.CallToolResult).Content)
			for _, want := range []string{"first", "1 item left out, as the result is over its limit of 1000 bytes"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %s", want, got)
				}
			}
			if name != "_meta" && !strings.Contains(got, "last") {
				t.Errorf("what fits is missing: %s", got)
			}
		})
	}
}

func TestLimitResult_CutsTheTextOfAnEmbeddedResource(t *testing.T) {
	in := &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "a:b", MIMEType: "Text/Markdown", Text: strings.Repeat("ä", 3000)}}
	res, err := limited(t, 1000, contents(in))
	if err != nil {
		t.Fatal(err)
	}
	r := res.(*mcp.CallToolResult).Content[0].(*mcp.EmbeddedResource).Resource
	if r.URI != "a:b" || len(r.Text) > 1050 || !strings.Contains(r.Text, "of 6000 bytes left out]") {
		t.Errorf("%d bytes: %q", len(r.Text), r.Text[900:])
	}
}

func TestLimitResult_KeepsStructuredContentWholeOrRefuses(t *testing.T) {
	structured := json.RawMessage(`{"a":"` + strings.Repeat("x", 700) + `"}`)
	res, err := limited(t, 1000, &mcp.CallToolResult{StructuredContent: structured, Content: []mcp.Content{say(string(structured))}})
	if err != nil {
		t.Fatal(err)
	}
	tool := res.(*mcp.CallToolResult)
	if !reflect.DeepEqual(tool.StructuredContent, structured) || !strings.Contains(tool.Content[0].(*mcp.TextContent).Text, "[truncated: ") {
		t.Errorf("%s", encode(t, tool))
	}
	for name, res := range map[string]*mcp.CallToolResult{
		"raw":       {StructuredContent: json.RawMessage(`{"a":"` + strings.Repeat("x", 3000) + `"}`)},
		"of a type": {StructuredContent: map[string]string{"a": strings.Repeat("x", 3000)}},
		"_meta":     {Meta: mcp.Meta{"a": strings.Repeat("x", 3000)}},
	} {
		_, err := limited(t, 1000, res)
		if mcperrors.CodeOf(err) != mcperrors.Validation || !strings.Contains(err.Error(), "ask for less") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLimitResult_CutsResourcesThatAreTextAndRefusesOthers(t *testing.T) {
	long := strings.Repeat("ä", 3000)
	for mime, cut := range map[string]bool{"": true, "text/plain": true, "TEXT/csv": true, "application/json": false, "image/svg+xml": false, "tex": false} {
		res, err := limited(t, 1000, &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "a:b", MIMEType: mime, Text: long}}})
		switch {
		case cut && (err != nil || !strings.HasSuffix(res.(*mcp.ReadResourceResult).Contents[0].Text, "of 6000 bytes left out]")):
			t.Errorf("%q is not cut: %v, %v", mime, res, err)
		case !cut && mcperrors.CodeOf(err) != mcperrors.Validation:
			t.Errorf("%q is cut: %v, %v", mime, res, err)
		}
	}
	if _, err := limited(t, 1000, &mcp.ReadResourceResult{Meta: mcp.Meta{"x": long}}); mcperrors.CodeOf(err) != mcperrors.Validation {
		t.Errorf("_meta: %v", err)
	}
	many := &mcp.ReadResourceResult{}
	for range 1000 {
		many.Contents = append(many.Contents, &mcp.ResourceContents{URI: "a:" + long[:200]})
	}
	if res, err := limited(t, 1000, many); err != nil || len(res.(*mcp.ReadResourceResult).Contents) > 7 {
		t.Errorf("empty ones with long URIs: %v", err)
	}
	if _, err := limited(t, 1000, &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "a:b", Blob: make([]byte, 800)}}}); mcperrors.CodeOf(err) != mcperrors.Validation {
		t.Errorf("1068 bytes of base64: %v", err)
	}
}

func TestLimitResult_CutsPromptsAndCompletions(t *testing.T) {
	res, err := limited(t, 1000, &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{
		{Role: "user", Content: say("first")},
		{Role: "assistant", Content: &mcp.ImageContent{Data: make([]byte, 2000)}},
		{Role: "assistant", Content: say(strings.Repeat("x", 2000))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	prompt := res.(*mcp.GetPromptResult)
	if text := encode(t, prompt); len(prompt.Messages) != 3 || !strings.Contains(text, "first") ||
		!strings.Contains(text, "of 2000 bytes left out]") || !strings.Contains(text, "1 item left out") || prompt.Messages[2].Role != "assistant" {
		t.Errorf("%s", text)
	}
	if _, err := limited(t, 1000, &mcp.GetPromptResult{Description: strings.Repeat("x", 2000)}); mcperrors.CodeOf(err) != mcperrors.Validation {
		t.Errorf("description: %v", err)
	}
	values := make([]string, 100)
	for i := range values {
		values[i] = strings.Repeat("x", 68)
	}
	res, err = limited(t, 1000, &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: values, Total: 100}})
	if err != nil {
		t.Fatal(err)
	}
	if c := res.(*mcp.CompleteResult).Completion; len(c.Values) != 10 || !c.HasMore || c.Total != 100 {
		t.Errorf("%d values, %v", len(c.Values), c.HasMore)
	}
}

func TestLimitResult_AnswersBothErasInACallThroughErrors(t *testing.T) {
	inBothEras(t, func(t *testing.T, version string) {
		s := bare(middleware.Chain(middleware.Errors(), middleware.LimitResult(1000)))
		shared := contents(say(strings.Repeat("x", 5000)))
		tool(s, "text", func(context.Context) (*mcp.CallToolResult, error) { own := *shared; return &own, nil })
		tool(s, "data", func(context.Context) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{StructuredContent: json.RawMessage(`{"a":"` + strings.Repeat("x", 5000) + `"}`)}, nil
		})
		cs := dial(t, s, version)
		res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "text"})
		if err != nil || res.IsError || !strings.Contains(encode(t, res.Content), "bytes left out]") || res.Meta[middleware.TruncatedMetaKey] == nil {
			t.Errorf("%+v, %v", res, err)
		}
		res, err = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "data"})
		if err != nil || !res.IsError || !strings.Contains(encode(t, res.Content), "ask for less") {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestLimitResult_LeavesATypedToolsErrorToErrors(t *testing.T) {
	s := bare(middleware.Chain(middleware.Errors(), middleware.LimitResult(100)))
	type nothing struct{}
	mcp.AddTool(s, &mcp.Tool{Name: "leaks"}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New(strings.Repeat(canary, 100))
	})
	res, err := dial(t, s, modern).CallTool(t.Context(), &mcp.CallToolParams{Name: "leaks"})
	if err == nil || strings.Contains(err.Error()+encode(t, res), canary) {
		t.Errorf("an error without a code is told: %+v, %v", res, err)
	}
}

func TestLimitResult_CostsASmallAnswerNoAllocation(t *testing.T) {
	layers := middleware.Chain(middleware.LimitResult(1<<20), middleware.StripHidden())
	for _, res := range []mcp.Result{
		&mcp.CallToolResult{StructuredContent: json.RawMessage(`{"sum":3}`), Content: []mcp.Content{say(`{"sum":3}`)}},
		&mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "a:b", Text: "ä x"}}},
		&mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: say("x")}}},
	} {
		h := layers(func(context.Context, string, mcp.Request) (mcp.Result, error) { return res, nil })
		if n := testing.AllocsPerRun(100, func() { _, _ = h(t.Context(), "", nil) }); n != 0 {
			t.Errorf("%T: %v allocations", res, n)
		}
	}
}
