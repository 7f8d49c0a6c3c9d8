package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/secret"
	"github.com/trestle-mcp/trestle/server"
)

type bookIn struct {
	Room string `json:"room"`
}

type person struct {
	Name string `json:"name" validate:"min=1"`
	Age  int    `json:"age,omitempty" validate:"gte=0"`
}

type consent struct {
	OK bool `json:"ok"`
}

// askingServer has a tool that asks twice, one that asks once under another name,
// a prompt and a resource that ask.
func askingServer(t *testing.T, opts server.Options) *server.Server {
	t.Helper()
	srv, _ := newServer(t, opts)
	book := func(ctx context.Context, in bookIn) (string, error) {
		who, err := server.Elicit[person](ctx, "who", "Who are you?")
		if err != nil {
			return "", err
		}
		sure, err := server.Elicit[consent](ctx, "sure", "Book "+in.Room+" for "+who.Name+"?")
		if err != nil {
			return "", fmt.Errorf("asking for consent: %w", err)
		}
		return fmt.Sprintf("%s for %s (%d): %t", in.Room, who.Name, who.Age, sure.OK), nil
	}
	mustAdd(t, server.AddTool(srv, tool("book"), book))
	mustAdd(t, server.AddTool(srv, tool("other"), book))
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "greet", Description: "d"}, func(ctx context.Context, _ none) (string, error) {
		who, err := server.Elicit[person](ctx, "who", "Who are you?")
		return "hello " + who.Name, err
	}))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:greet", Name: "g"}, func(ctx context.Context) (string, error) {
		who, err := server.Elicit[person](ctx, "who", "Who are you?")
		return "hello " + who.Name, err
	}))
	return srv
}

// answers is a client's user.
func answers(action string, content map[string]map[string]any) *mcp.ClientOptions {
	return &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			res := &mcp.ElicitResult{Action: action}
			if action == "accept" {
				res.Content = content[strings.Fields(r.Params.Message)[0]]
			}
			return res, nil
		},
	}
}

var willing = map[string]map[string]any{"Who": {"name": "Ann", "age": 30}, "Book": {"ok": true}}

func TestElicit_AsksInBothEras(t *testing.T) {
	srv := askingServer(t, server.Options{})
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		if got := c.Call("book", bookIn{"R1"}).OK().Text(); got != "R1 for Ann (30): true" {
			t.Errorf("got %q", got)
		}
		if res, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "greet"}); err != nil || res.Messages[0].Content.(*mcp.TextContent).Text != "hello Ann" {
			t.Errorf("prompt: %+v, %v", res, err)
		}
		if got, err := read(t, c, "x:greet"); err != nil || got.Text != "hello Ann" {
			t.Errorf("resource: %+v, %v", got, err)
		}
	}, mcptest.WithClient(answers("accept", willing)))
}

func TestElicit_ARefusalIsAnErrorTheModelSees(t *testing.T) {
	srv := askingServer(t, server.Options{})
	for action, want := range map[string]error{"decline": server.ErrDeclined, "cancel": server.ErrDismissed} {
		mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
			if got := c.Call("book", bookIn{"R1"}).Fails(mcperrors.Conflict).Text(); got != want.Error() {
				t.Errorf("got %q, want %q", got, want)
			}
		}, mcptest.WithClient(answers(action, nil)))
	}
}

func TestElicit_AnAnswerThatBreaksTheRulesIsRefused(t *testing.T) {
	srv := askingServer(t, server.Options{})
	const want = `the answer to "who" does not fit its form`
	minor := map[string]any{"name": "Ann", "age": -1}

	c := mcptest.New(t, srv, mcptest.Legacy(), mcptest.WithClient(answers("accept", map[string]map[string]any{"Who": minor})))
	if got := c.Call("book", bookIn{"R1"}).Fails(mcperrors.Validation).Text(); !strings.HasPrefix(got, want) {
		t.Errorf("legacy: got %q", got)
	}
	// By hand, since go-sdk's modern client would notice itself.
	m := newManual(t, srv)
	first, err := m.round(t, "book", "R1", "", nil)
	mustAdd(t, err)
	res, err := m.round(t, "book", "R1", first.RequestState, mcp.InputResponseMap{"who": accept(minor)})
	if err != nil || !res.IsError || !strings.HasPrefix(res.Content[0].(*mcp.TextContent).Text, want) {
		t.Errorf("modern: got %+v, %v", res, err)
	}
}

func TestElicit_WithoutTheCapabilityFailsAtOnce(t *testing.T) {
	srv := askingServer(t, server.Options{})
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		var wire *jsonrpc.Error
		err := c.Call("book", bookIn{"R1"}).Err
		if !errors.As(err, &wire) || wire.Code != mcp.CodeMissingRequiredClientCapabilities ||
			string(wire.Data) != `{"requiredCapabilities":{"elicitation":{}}}` {
			t.Errorf("got %v", err)
		}
	})
}

func TestElicit_FormsHaveFlatFieldsOnly(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("nested"), func(ctx context.Context, _ none) (none, error) {
		_, err := server.Elicit[struct {
			P person `json:"p"`
		}](ctx, "k", "q")
		return none{}, err
	}))
	c := mcptest.New(t, srv, mcptest.WithClient(answers("accept", willing)))
	c.Call("nested", nil).Fails(mcperrors.Internal)
}

func TestAsk_OutsideOfACallIsAnError(t *testing.T) {
	if _, err := server.Ask(t.Context(), nil); err == nil {
		t.Error("no error")
	}
}

func TestAsk_SeveralThingsAtOnce(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("all"), func(ctx context.Context, _ none) (string, error) {
		got, err := server.Ask(ctx, mcp.InputRequestMap{
			"form": &mcp.ElicitParams{Mode: "form", Message: "Who are you?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}, "age": map[string]any{"type": "integer"}}}},
			"text": &mcp.CreateMessageParams{MaxTokens: 5, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "hi"}}}},
			"dirs": &mcp.ListRootsParams{},
		})
		if err != nil {
			return "", err
		}
		var keys []string
		for k := range got {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		return strings.Join(keys, ","), nil
	}))
	o := answers("accept", willing)
	o.CreateMessageHandler = func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
		return &mcp.CreateMessageResult{Role: "assistant", Model: "m", Content: &mcp.TextContent{Text: "hello"}}, nil
	}
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		if got := c.Call("all", nil).OK().Text(); got != "dirs,form,text" {
			t.Errorf("got %q", got)
		}
	}, mcptest.WithClient(o))
}

// manual speaks the rounds of a modern call by hand.
type manual struct {
	*mcptest.Client
}

func newManual(t *testing.T, srv *server.Server, opts ...mcptest.Option) manual {
	t.Helper()
	o := answers("", nil)
	o.MultiRoundTrip = &mcp.MultiRoundTripOptions{Disabled: true}
	return manual{mcptest.New(t, srv, append(opts, mcptest.WithClient(o))...)}
}

func (m manual) round(t *testing.T, tool, room, state string, answers mcp.InputResponseMap) (*mcp.CallToolResult, error) {
	t.Helper()
	return m.CallTool(t.Context(), &mcp.CallToolParams{
		Name: tool, Arguments: map[string]any{"room": room}, RequestState: state, InputResponses: answers,
	})
}

func accept(content map[string]any) *mcp.ElicitResult {
	return &mcp.ElicitResult{Action: "accept", Content: content}
}

var (
	isAnn = mcp.InputResponseMap{"who": accept(map[string]any{"name": "Ann"})}
	isOK  = mcp.InputResponseMap{"sure": accept(map[string]any{"ok": true})}
)

func TestElicit_RoundsCarryEarlierAnswersInSealedState(t *testing.T) {
	srv := askingServer(t, server.Options{})
	m := newManual(t, srv)
	first, err := m.round(t, "book", "R1", "", nil)
	if err != nil || !first.NeedsInput() || first.InputRequests["who"] == nil || first.RequestState == "" {
		t.Fatalf("first round: %+v, %v", first, err)
	}
	second, err := m.round(t, "book", "R1", first.RequestState, isAnn)
	if err != nil || !second.NeedsInput() || second.InputRequests["sure"] == nil || len(second.InputRequests) != 1 || second.RequestState == first.RequestState {
		t.Fatalf("second round: %+v, %v", second, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(second.RequestState)
	if err != nil || bytes.Contains(raw, []byte(`"Ann"`)) {
		t.Errorf("the state can be read: %v", err)
	}
	third, err := m.round(t, "book", "R1", second.RequestState, isOK)
	if err != nil || third.NeedsInput() || third.Content[0].(*mcp.TextContent).Text != "R1 for Ann (0): true" {
		t.Fatalf("third round: %+v, %v", third, err)
	}
}

func TestElicit_TakesOnlyAnswersThatFit(t *testing.T) {
	srv := askingServer(t, server.Options{})
	m := newManual(t, srv)
	first, err := m.round(t, "book", "R1", "", nil)
	mustAdd(t, err)
	again, err := m.round(t, "book", "R1", first.RequestState, mcp.InputResponseMap{"other": accept(nil)})
	if err != nil || again.InputRequests["who"] == nil {
		t.Errorf("an answer to another question was taken: %+v, %v", again, err)
	}
	again, err = m.round(t, "book", "R1", first.RequestState, mcp.InputResponseMap{"who": &mcp.ListRootsResult{Roots: []*mcp.Root{}}})
	if err != nil || again.InputRequests["who"] == nil {
		t.Errorf("an answer of another kind was taken: %+v, %v", again, err)
	}
}

func TestElicit_AnEarlierAnswerCannotBeChangedLater(t *testing.T) {
	srv := askingServer(t, server.Options{})
	m := newManual(t, srv)
	first, err := m.round(t, "book", "R1", "", nil)
	mustAdd(t, err)
	second, err := m.round(t, "book", "R1", first.RequestState, isAnn)
	mustAdd(t, err)
	third, err := m.round(t, "book", "R1", second.RequestState, mcp.InputResponseMap{
		"sure": isOK["sure"], "who": accept(map[string]any{"name": "Mallory"}),
	})
	if err != nil || third.NeedsInput() || third.Content[0].(*mcp.TextContent).Text != "R1 for Ann (0): true" {
		t.Errorf("got %+v, %v", third, err)
	}
}

func TestThreat37_StateIsBoundToPrincipalToolAndArguments(t *testing.T) {
	srv := askingServer(t, server.Options{})
	ann, bob := &auth.Principal{Issuer: "i", Subject: "ann"}, &auth.Principal{Issuer: "i", Subject: "bob"}
	m := newManual(t, srv, mcptest.As(ann))
	first, err := m.round(t, "book", "R1", "", nil)
	mustAdd(t, err)
	state := first.RequestState
	flipped := []byte(state)
	flipped[len(flipped)/2] ^= 1
	foreign := newManual(t, askingServer(t, server.Options{}), mcptest.As(ann))
	tests := []struct {
		name        string
		m           manual
		tool, room  string
		state       string
		wantAccepts bool
	}{
		{"itself", m, "book", "R1", state, true},
		{"another principal", newManual(t, srv, mcptest.As(bob)), "book", "R1", state, false},
		{"nobody", newManual(t, srv), "book", "R1", state, false},
		{"another tool", m, "other", "R1", state, false},
		{"other arguments", m, "book", "R2", state, false},
		{"a flipped bit", m, "book", "R1", string(flipped), false},
		{"a suffix", m, "book", "R1", state + "-TAMPERED", false},
		{"nonsense", m, "book", "R1", "nonsense", false},
		{"a server with another key", foreign, "book", "R1", state, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := tt.m.round(t, tt.tool, tt.room, tt.state, isAnn)
			var wire *jsonrpc.Error
			switch {
			case tt.wantAccepts && (err != nil || res.InputRequests["sure"] == nil):
				t.Errorf("refused: %+v, %v", res, err)
			case !tt.wantAccepts && (!errors.As(err, &wire) || wire.Code != jsonrpc.CodeInvalidParams):
				t.Errorf("not refused: %+v, %v", res, err)
			}
		})
	}
}

func TestState_ExpiresAndSurvivesKeyRotation(t *testing.T) {
	oldKey := secret.New(strings.Repeat("o", 32))
	newBytes := []byte(strings.Repeat("n", 32))
	newKey, sameKey := secret.New(string(newBytes)), secret.New(base64.StdEncoding.EncodeToString(newBytes))
	synctest.Test(t, func(t *testing.T) {
		before := newManual(t, askingServer(t, server.Options{StateKeys: []secret.Secret{oldKey}, StateTTL: time.Minute}))
		during := newManual(t, askingServer(t, server.Options{StateKeys: []secret.Secret{newKey, oldKey}, StateTTL: time.Minute}))
		after := newManual(t, askingServer(t, server.Options{StateKeys: []secret.Secret{sameKey}, StateTTL: time.Minute}))
		first, err := before.round(t, "book", "R1", "", nil)
		mustAdd(t, err)
		next, err := during.round(t, "book", "R1", first.RequestState, isAnn)
		if err != nil || next.InputRequests["sure"] == nil {
			t.Fatalf("sealed with the old key, opened during the change: %+v, %v", next, err)
		}
		if _, err := after.round(t, "book", "R1", first.RequestState, isAnn); err == nil {
			t.Error("the old key still opens after it was removed")
		}
		if res, err := after.round(t, "book", "R1", next.RequestState, isOK); err != nil || res.NeedsInput() {
			t.Errorf("the new key seals during the change: %+v, %v", res, err)
		}
		<-time.After(time.Minute + time.Second) // virtual
		if _, err := during.round(t, "book", "R1", next.RequestState, isOK); err == nil {
			t.Error("expired state was accepted")
		}
	})
}

func TestState_ARandomKeyWarnsOnceWhenItIsUsed(t *testing.T) {
	srv, logs := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("ask"), func(ctx context.Context, _ none) (none, error) {
		_, err := server.Elicit[consent](ctx, "sure", "Sure?")
		return none{}, err
	}))
	m := newManual(t, srv)
	warnings := func() int {
		return logs.FilterLevelExact(zap.WarnLevel).FilterMessageSnippet("StateKeys").Len()
	}
	if warnings() != 0 {
		t.Error("warned before any question")
	}
	for range 2 {
		_, err := m.CallTool(t.Context(), &mcp.CallToolParams{Name: "ask"})
		mustAdd(t, err)
	}
	if warnings() != 1 {
		t.Errorf("%d warnings, want 1", warnings())
	}
}

func TestInitialize_ThatAsksForAModernVersionStaysLegacy(t *testing.T) {
	srv := askingServer(t, server.Options{})
	here, there := mcp.NewInMemoryTransports()
	if _, err := srv.MCP().Connect(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	conn, err := here.Connect(t.Context())
	mustAdd(t, err)
	defer conn.Close()
	send := func(raw string) {
		msg, err := jsonrpc.DecodeMessage([]byte(raw))
		mustAdd(t, err)
		mustAdd(t, conn.Write(t.Context(), msg))
	}
	send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2099-01-01","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}`)
	msg, err := conn.Read(t.Context())
	mustAdd(t, err)
	if got := string(msg.(*jsonrpc.Response).Result); !strings.Contains(got, era.LastLegacy) {
		t.Errorf("negotiated: %s", got)
	}
	send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"book","arguments":{"room":"R1"}}}`)
	msg, err = conn.Read(t.Context())
	mustAdd(t, err)
	if req, ok := msg.(*jsonrpc.Request); !ok || req.Method != "elicitation/create" {
		raw, _ := jsonrpc.EncodeMessage(msg)
		t.Errorf("a client that shook hands was not asked its way: %s", raw)
	}
}
