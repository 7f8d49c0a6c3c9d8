package mcptest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestClient_AsksEveryKindOverEveryTransportInBothEras(t *testing.T) {
	clients(t, func(t *testing.T, c *mcptest.Client) {
		c.Call("add", addIn{1, 2}).OK().Equal(addOut{3}).Says(`"sum":3`)
		c.Call("add", addIn{A: -1}).Fails(mcperrors.Validation).Says("a")
		var out addOut
		c.Read("memo://one").OK().Decode(&out)
		if out.Sum != 3 {
			t.Errorf("sum %d", out.Sum)
		}
		if got := c.Read("memo://bytes").OK().Bytes(); !slices.Equal(got, []byte{1, 2, 3}) {
			t.Errorf("bytes %v", got)
		}
		if got := c.Read("greeting://Ann").OK().Text(); got != "Hello Ann" {
			t.Errorf("read %q", got)
		}
		if got := c.Read("nosuch://x").Fails(mcperrors.NotFound).Text(); got == "" {
			t.Error("a failure without a message")
		}
		if got := c.Prompt("greet", map[string]string{"name": "Ann"}).OK().Text(); got != "Greet Ann." {
			t.Errorf("prompt %q", got)
		}
		c.Prompt("greet", nil).Fails(mcperrors.Validation)
		if got := c.CompletePrompt("greet", "name", "A", nil); !slices.Equal(got, []string{"Ann"}) {
			t.Errorf("suggested %q", got)
		}
		if got := c.CompleteTemplate("greeting://{name}", "name", "A", map[string]string{"other": "x"}); !slices.Equal(got, []string{"Ann"}) {
			t.Errorf("suggested %q", got)
		}
		if all := c.Catalog(); all.Tool("add") == nil || all.Tool("nosuch") != nil || len(all.Tools) != 4 || len(all.Resources) != 2 || len(all.Templates) != 1 || len(all.Prompts) != 1 {
			t.Errorf("the catalog %+v", all)
		}
	})
}

func TestOutcome_HasTheProgressAndTheExchangeOfItsOwnCall(t *testing.T) {
	clients(t, func(t *testing.T, c *mcptest.Client) {
		done := make(chan *mcptest.Call)
		go func() { done <- c.Call("work", nil) }()
		c.Call("add", addIn{1, 2}).OK()
		work := (<-done).OK()
		var told []string
		for _, p := range work.Progress() {
			told = append(told, p.Message)
		}
		if !slices.Equal(told, []string{"half", "whole"}) {
			t.Errorf("progress %q", told)
		}
		messages := work.Exchange()
		if len(messages) != 4 || !messages[0].Sent || messages[3].Sent || !strings.Contains(string(messages[3].Raw), "worked") {
			t.Errorf("exchange %s", messages)
		}
	})
}

func TestAwait_FindsANotificationWhoeverIsFaster(t *testing.T) {
	clients(t, func(t *testing.T, c *mcptest.Client) {
		if c.Pending(mcptest.ToolsChanged) {
			t.Error("pending before anything changed")
		}
		if err := c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "memo://one"}); err != nil {
			t.Fatal(err)
		}
		c.Call("grow", greetIn{"another"}).OK()
		c.Await(mcptest.ToolsChanged)
		if c.Pending(mcptest.ToolsChanged) {
			t.Error("one change is pending twice")
		}
		var params mcp.ResourceUpdatedNotificationParams
		if err := c.Await(mcptest.Updated("memo://one")).DecodeParams(&params); err != nil || params.URI != "memo://one" {
			t.Errorf("updated %q, %v", params.URI, err)
		}
		c.Call("another", nil).OK().Says("here")
	}, mcptest.Watching())
}

// What is slow between the client and the server must not lose a change.
func TestSubscribe_ReturnsWhenTheServerKnows(t *testing.T) {
	clients(t, func(t *testing.T, c *mcptest.Client) {
		for range 2 { // the other time there is nothing to ask for
			if err := c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "memo://one"}); err != nil {
				t.Fatal(err)
			}
		}
		var told bool
		for _, m := range c.Exchange() {
			told = told || (!m.Sent && (strings.Contains(string(m.Raw), `"resourceSubscriptions":["memo://one"]`) || strings.Contains(string(m.Raw), `"id":2`)))
		}
		if !told {
			t.Errorf("it is not known yet:\n%s", c.Exchange())
		}
		c.Call("grow", greetIn{"another"}).OK()
		c.Await(mcptest.Updated("memo://one"))
	}, mcptest.Through(&mcptest.Faults{Seed: 1, Stall: time.Millisecond}))
}

func TestAwait_FailsWithAHint(t *testing.T) {
	got := failed(t, func(tb testing.TB) {
		mcptest.New(tb, newServer(t), mcptest.Patience(time.Millisecond)).Await(mcptest.PromptsChanged)
	})
	if !strings.Contains(got, "prompts/list_changed") || !strings.Contains(got, "Watching()") {
		t.Error(got)
	}
}

func TestUser_AnswersInOrderInBothEras(t *testing.T) {
	for _, over := range []mcptest.Option{mcptest.OverHTTP(), mcptest.OverStdio()} {
		for _, version := range []string{"2025-11-25", "2026-07-28"} {
			user := mcptest.NewUser(mcptest.Accept(choice{true}), mcptest.Decline(), mcptest.Dismiss())
			c := mcptest.New(t, newServer(t), over, mcptest.Version(version), mcptest.WithUser(user))
			c.Call("confirm", nil).OK().Equal(choice{true})
			c.Call("confirm", nil).Fails(mcperrors.Conflict)
			c.Call("confirm", nil).Fails(mcperrors.Conflict)
			if got := len(user.Asked()); got != 3 {
				t.Errorf("%s: asked %d times", version, got)
			}
			if c.Call("confirm", nil).Err == nil {
				t.Errorf("%s: a user without an answer answered", version)
			}
		}
	}
}

func TestFaults_AreTheSameInEveryRun(t *testing.T) {
	run := func(seed uint64) (codes []string) {
		f := &mcptest.Faults{Seed: seed, Errors: 0.3, Panics: 0.2}
		srv := newServerWith(t, &server.Options{Middleware: []mcp.Middleware{f.Middleware}})
		c := mcptest.New(t, srv, mcptest.Through(f))
		for range 30 {
			if call := c.Call("add", addIn{1, 2}); call.Err == nil {
				codes = append(codes, "")
			} else {
				codes = append(codes, string(mcperrors.CodeOf(call.Err)))
			}
		}
		return codes
	}
	one := run(1)
	for _, code := range []string{"", string(mcperrors.Unavailable), string(mcperrors.Internal)} {
		if !slices.Contains(one, code) {
			t.Errorf("no %q among %q", code, one)
		}
	}
	if again := run(1); !slices.Equal(one, again) {
		t.Errorf("%q, then %q", one, again)
	}
	if other := run(2); slices.Equal(one, other) {
		t.Error("another seed meets the same")
	}
}

func TestFaults_DropConnections(t *testing.T) {
	f := &mcptest.Faults{Seed: 3}
	c := mcptest.New(t, newServer(t), mcptest.OverHTTP(), mcptest.Through(f))
	c.Call("add", addIn{1, 2}).OK()
	f.Drops = 1
	if call := c.Call("add", addIn{1, 2}); call.Err == nil {
		t.Error("a call went through")
	}
	f.Drops = 0

	got := failed(t, func(tb testing.TB) {
		mcptest.New(tb, newServer(t), mcptest.Through(&mcptest.Faults{Drops: 1}))
	})
	if !strings.Contains(got, "mcptest: connecting") {
		t.Errorf("in memory: %s", got)
	}
}

func TestFaults_TakeTimeWhichIsVirtualInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &mcptest.Faults{Seed: 1}
		c := mcptest.New(t, newServer(t), mcptest.Through(f))
		f.Latency, f.Stall = time.Hour, time.Second
		began := time.Now()
		call := c.Call("add", addIn{1, 2})
		if call.Err != nil && !errors.Is(call.Err, t.Context().Err()) {
			t.Fatal(call.Err)
		}
		if took := time.Since(began); took < time.Second || took > time.Hour+time.Minute {
			t.Errorf("took %v", took)
		}
		f.Latency, f.Stall = 0, 0
		began = time.Now()
		mcptest.Jump(t, 3*time.Hour)
		if took := time.Since(began); took != 3*time.Hour {
			t.Errorf("jumped %v", took)
		}
	})
}
