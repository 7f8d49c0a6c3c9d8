package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

type noteIn struct {
	Owner string `json:"owner" validate:"alpha"`
	ID    int    `json:"id" validate:"gte=1"`
}

func resourceServer(t *testing.T) *server.Server {
	t.Helper()
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:text", Name: "text", MIMEType: "text/plain"},
		func(context.Context) (string, error) { return "hello", nil }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:bytes", Name: "bytes", MIMEType: "image/png"},
		func(context.Context) ([]byte, error) { return []byte{1, 2}, nil }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:fault", Name: "fault"},
		func(context.Context) (string, error) { return "", errors.New("canary") }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:panic", Name: "panic"},
		func(context.Context) (string, error) { panic("canary") }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:nil", Name: "nil"},
		func(context.Context) (*mcp.ReadResourceResult, error) { return nil, nil }))
	mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "note://{owner}/{id}", Name: "note"},
		func(ctx context.Context, in noteIn) (string, error) {
			if in.ID == 404 {
				return "", mcperrors.Errorf(mcperrors.NotFound, "no such note")
			}
			return fmt.Sprintf("%s %d %s", in.Owner, in.ID, server.URI(ctx)), nil
		}))
	mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "file:///{+path}", Name: "file"},
		func(_ context.Context, in struct {
			Path string `json:"path"`
		},
		) (string, error) {
			return in.Path, nil
		}))
	return srv
}

func read(t *testing.T, c *mcptest.Client, uri string) (*mcp.ResourceContents, error) {
	t.Helper()
	res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		return nil, err
	}
	if len(res.Contents) != 1 || res.Contents[0].URI != uri {
		t.Fatalf("%s: %+v", uri, res.Contents)
	}
	return res.Contents[0], nil
}

func TestResource_IsRead(t *testing.T) {
	srv := resourceServer(t)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		if got, err := read(t, c, "x:text"); err != nil || got.Text != "hello" || got.MIMEType != "text/plain" {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := read(t, c, "x:bytes"); err != nil || !bytes.Equal(got.Blob, []byte{1, 2}) || got.MIMEType != "image/png" {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := read(t, c, "note://ann/7"); err != nil || got.Text != "ann 7 note://ann/7" {
			t.Errorf("%+v, %v", got, err)
		}
		for uri, want := range map[string]string{
			"file:///a/b.txt": "a/b.txt", "file:///a%20b": "a b", "file:///a%2Fb": "a/b", "file:///%C3%A9": "é",
		} {
			if got, err := read(t, c, uri); err != nil || got.Text != want {
				t.Errorf("%s: %+v, %v", uri, got, err)
			}
		}
	})
}

func TestResource_ThatIsMissingHasTheCodeOfItsEra(t *testing.T) {
	srv := resourceServer(t)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		want := int64(-32602)
		if !era.IsModern(c.InitializeResult().ProtocolVersion) {
			want = -32002
		}
		for _, uri := range []string{"x:nosuch", "note://ann/404"} {
			_, err := read(t, c, uri)
			var wire *jsonrpc.Error
			if !errors.As(err, &wire) || wire.Code != want || !strings.Contains(string(wire.Data), `"uri":"`+uri+`"`) {
				t.Errorf("%s: %v %s", uri, err, wire.Data)
			}
			if mcperrors.CodeOf(err) != mcperrors.NotFound {
				t.Errorf("%s: code %s", uri, mcperrors.CodeOf(err))
			}
		}
	})
}

func TestResource_VariablesAreValidated(t *testing.T) {
	srv := resourceServer(t)
	c := mcptest.New(t, srv)
	for uri, field := range map[string]string{"note://ann/seven": "id", "note://ann/0": "id", "note://a1/1": "owner"} {
		_, err := read(t, c, uri)
		if mcperrors.CodeOf(err) != mcperrors.Validation || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestResource_FaultsAreInternalAndSilent(t *testing.T) {
	srv := resourceServer(t)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		for _, uri := range []string{"x:fault", "x:panic", "x:nil"} {
			if _, err := read(t, c, uri); mcperrors.CodeOf(err) != mcperrors.Internal || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", uri, err)
			}
		}
	})
}

func TestThreat34And35_HostileURIsAreRefusedAndTheSessionLives(t *testing.T) {
	srv := resourceServer(t)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		for _, uri := range []string{
			"file:///../etc/passwd", "file:///a/../../b", "file:///%2e%2e%2fetc", "file:///%2e%2e/etc", "file:///..%2fetc",
			"file:///%252e%252e%252fetc", "file:///a%00b", "file:///a\x00b", `file:///..\etc`, `file:///a\b`, "file:///..%5cetc",
			"file:///\x01", "file:///a\nb", "x:\u0085", "file:///%0a", "file:///" + strings.Repeat("a", 9000),
		} {
			_, err := read(t, c, uri)
			if err != nil && strings.Contains(err.Error(), "invalid header field value") {
				continue // go-sdk's client cannot even send it
			}
			var wire *jsonrpc.Error
			if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInvalidParams {
				t.Errorf("%.40q: %v", uri, err)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("%.40q: sent back", uri)
			}
		}
		if _, err := read(t, c, "x:text"); err != nil {
			t.Errorf("the session died: %v", err)
		}
	})
}

func TestResource_SharedResultsAreNotChanged(t *testing.T) {
	shared := &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{Text: "shared"}}}
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "x:{id}", Name: "x"},
		func(context.Context, struct {
			ID string `json:"id"`
		},
		) (*mcp.ReadResourceResult, error) {
			return shared, nil
		}))
	c := mcptest.New(t, srv)
	for _, uri := range []string{"x:1", "x:2"} {
		if _, err := read(t, c, uri); err != nil {
			t.Error(err)
		}
	}
	if shared.Contents[0].URI != "" || shared.Meta != nil {
		t.Errorf("changed: %+v %+v", shared, shared.Contents[0])
	}
}

func TestResource_SubscribersHearOfUpdates(t *testing.T) {
	srv := resourceServer(t)
	updated := make(chan string, 1)
	c := mcptest.New(t, srv, mcptest.Legacy(), mcptest.WithClient(&mcp.ClientOptions{
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) { updated <- r.Params.URI },
	}))
	for _, uri := range []string{"x:text", "note://ann/7"} {
		mustAdd(t, c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: uri}))
		mustAdd(t, srv.ResourceUpdated(t.Context(), uri))
		if got := <-updated; got != uri {
			t.Errorf("got %s, want %s", got, uri)
		}
		mustAdd(t, c.Unsubscribe(t.Context(), &mcp.UnsubscribeParams{URI: uri}))
	}
	if err := c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "x:nosuch"}); mcperrors.CodeOf(err) != mcperrors.NotFound {
		t.Errorf("THREATS 33: subscribing to what cannot be read: %v", err)
	}
}

type explainIn struct {
	Path  string `json:"path" jsonschema:"what to explain" validate:"min=1"`
	Depth int    `json:"depth,omitempty" validate:"lte=3"`
}

func promptServer(t *testing.T) *server.Server {
	t.Helper()
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "explain", Title: "Explain", Description: "Explain a file."},
		func(_ context.Context, in explainIn) (string, error) {
			return fmt.Sprintf("explain %s to %d", in.Path, in.Depth), nil
		}))
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "messages", Description: "d"},
		func(context.Context, none) ([]*mcp.PromptMessage, error) {
			return []*mcp.PromptMessage{{Role: "assistant", Content: &mcp.TextContent{Text: "hi"}}}, nil
		}))
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "nil", Description: "d"},
		func(context.Context, none) ([]*mcp.PromptMessage, error) { return nil, nil }))
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "hole", Description: "d"},
		func(context.Context, none) ([]*mcp.PromptMessage, error) { return []*mcp.PromptMessage{nil}, nil }))
	mustAdd(t, srv.AddRawPrompt(&mcp.Prompt{Name: "raw", Description: "d", Arguments: []*mcp.PromptArgument{{Name: "need", Required: true}}},
		func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return &mcp.GetPromptResult{Description: req.Params.Arguments["need"]}, nil
		}))
	return srv
}

func TestPrompt_TakesTypedArguments(t *testing.T) {
	srv := promptServer(t)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		get := func(name string, args map[string]string) (*mcp.GetPromptResult, error) {
			return c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: name, Arguments: args})
		}
		res, err := get("explain", map[string]string{"path": "a.go", "depth": "2"})
		if err != nil || len(res.Messages) != 1 || res.Messages[0].Role != "user" ||
			res.Messages[0].Content.(*mcp.TextContent).Text != "explain a.go to 2" {
			t.Errorf("%+v, %v", res, err)
		}
		if res, err := get("messages", nil); err != nil || res.Messages[0].Role != "assistant" {
			t.Errorf("%+v, %v", res, err)
		}
		if res, err := get("nil", nil); err != nil || res.Messages == nil {
			t.Errorf("%+v, %v", res, err)
		}
		if _, err := get("hole", nil); mcperrors.CodeOf(err) != mcperrors.Internal {
			t.Errorf("hole: %v", err)
		}
		if res, err := get("raw", map[string]string{"need": "x"}); err != nil || res.Description != "x" {
			t.Errorf("raw: %+v, %v", res, err)
		}
		for _, bad := range []struct {
			name string
			args map[string]string
			want string
		}{
			{"explain", nil, "path: "},
			{"explain", map[string]string{"path": "a", "depth": "four"}, "depth: "},
			{"explain", map[string]string{"path": "a", "depth": "4"}, "depth: "},
			{"explain", map[string]string{"path": "a", "wrong": "x"}, "wrong: "},
			{"raw", nil, "need"},
		} {
			if _, err := get(bad.name, bad.args); mcperrors.CodeOf(err) != mcperrors.Validation || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%s(%v): %v", bad.name, bad.args, err)
			}
		}
		if _, err := get("nosuch", nil); mcperrors.CodeOf(err) != mcperrors.NotFound {
			t.Errorf("unknown prompt: %v", err)
		}
	})
}

func TestPrompt_IsListedWithItsArguments(t *testing.T) {
	list, err := mcptest.New(t, promptServer(t)).ListPrompts(t.Context(), nil)
	mustAdd(t, err)
	i := slices.IndexFunc(list.Prompts, func(p *mcp.Prompt) bool { return p.Name == "explain" })
	args := list.Prompts[i].Arguments
	if len(args) != 2 || args[0].Name != "path" || !args[0].Required || args[0].Description != "what to explain" ||
		args[1].Name != "depth" || args[1].Required {
		t.Errorf("%+v %+v", args[0], args[1])
	}
}

func TestCompletion_SuggestsAndIsBounded(t *testing.T) {
	srv := promptServer(t)
	mustAdd(t, srv.CompletePrompt("explain", "path", func(_ context.Context, typed string, chosen map[string]string) ([]string, error) {
		switch typed {
		case "many":
			return make([]string, 250), nil
		case "fault":
			return nil, errors.New("canary")
		case "panic":
			panic("canary")
		}
		return []string{typed + chosen["depth"] + ".go"}, nil
	}))
	mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "note://{owner}/{id}", Name: "n"},
		func(context.Context, noteIn) (string, error) { return "", nil }))
	mustAdd(t, srv.CompleteResourceTemplate("note://{owner}/{id}", "owner", func(context.Context, string, map[string]string) ([]string, error) {
		return []string{"ann"}, nil
	}))
	if _, err := srv.Handler(); err != nil { // from here on a mistake breaks nothing else
		t.Fatal(err)
	}
	if err := srv.CompletePrompt("explain", "wrong", func(context.Context, string, map[string]string) ([]string, error) { return nil, nil }); err == nil {
		t.Error("completion of an argument that does not exist was accepted")
	}
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		complete := func(ref *mcp.CompleteReference, arg, typed string) (*mcp.CompleteResult, error) {
			return c.Complete(t.Context(), &mcp.CompleteParams{
				Ref: ref, Argument: mcp.CompleteParamsArgument{Name: arg, Value: typed},
				Context: &mcp.CompleteContext{Arguments: map[string]string{"depth": "2"}},
			})
		}
		prompt := &mcp.CompleteReference{Type: "ref/prompt", Name: "explain"}
		if res, err := complete(prompt, "path", "a"); err != nil || !slices.Equal(res.Completion.Values, []string{"a2.go"}) {
			t.Errorf("%+v, %v", res, err)
		}
		if res, err := complete(prompt, "path", "many"); err != nil || len(res.Completion.Values) != 100 || res.Completion.Total != 250 || !res.Completion.HasMore {
			t.Errorf("%+v, %v", res, err)
		}
		if res, err := complete(prompt, "depth", ""); err != nil || res.Completion.Values == nil || len(res.Completion.Values) != 0 {
			t.Errorf("an argument without completions: %+v, %v", res, err)
		}
		note := &mcp.CompleteReference{Type: "ref/resource", URI: "note://{owner}/{id}"}
		if res, err := complete(note, "owner", ""); err != nil || !slices.Equal(res.Completion.Values, []string{"ann"}) {
			t.Errorf("%+v, %v", res, err)
		}
		if _, err := complete(&mcp.CompleteReference{Type: "ref/prompt", Name: "nosuch"}, "x", ""); mcperrors.CodeOf(err) != mcperrors.NotFound {
			t.Errorf("unknown prompt: %v", err)
		}
		for _, typed := range []string{"fault", "panic"} {
			if _, err := complete(prompt, "path", typed); mcperrors.CodeOf(err) != mcperrors.Internal || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", typed, err)
			}
		}
	})
}
