package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// page is where a page of the specification of a version is.
func page(version, path string) string {
	return "https://modelcontextprotocol.io/specification/" + version + "/" + path
}

// protocolRules are those of every transport.
func protocolRules(version string) []rule {
	basic := page(version, "basic")
	rules := []rule{
		{"response-id", basic + "#responses", responseID},
		{"unknown-method", "https://www.jsonrpc.org/specification#error_object", unknownMethod},
		{"broken-json", "https://www.jsonrpc.org/specification#error_object", brokenJSON},
		{"not-json-rpc", "https://www.jsonrpc.org/specification#error_object", notJSONRPC},
		{"notification", basic + "/utilities/cancellation#error-handling", notification},
		{"capabilities", basic + "/lifecycle#capability-negotiation", capabilities},
		{"bad-cursor", page(version, "server/utilities/pagination") + "#error-handling", badCursor},
		{"tool-list", page(version, "server/tools") + "#tool", toolList},
		{"unknown-tool", page(version, "server/tools") + "#error-handling", unknown("tools", "tools/call", map[string]any{"name": nobody, "arguments": map[string]any{}}, invalidParams)},
		{"resource-list", page(version, "server/resources") + "#resource", resourceList},
		{"unknown-resource", page(version, "server/resources") + "#error-handling", unknown("resources", "resources/read", map[string]any{"uri": "trestle-conform://" + nobody}, resourceNotFound, invalidParams)},
		{"prompt-list", page(version, "server/prompts") + "#prompt", promptList},
		{"unknown-prompt", page(version, "server/prompts") + "#error-handling", unknown("prompts", "prompts/get", map[string]any{"name": nobody}, invalidParams)},
		{"missing-argument", page(version, "server/prompts") + "#error-handling", missingArgument},
	}
	if (&conversation{version: version}).modern() {
		return append(rules,
			rule{"missing-version", basic + "#meta", missingVersion},
			rule{"result-type", basic + "#responses", resultType},
		)
	}
	return append(rules,
		rule{"ping", basic + "/utilities/ping", ping},
	)
}

const nobody = "trestle-conform-nobody"

func responseID(ctx context.Context, c *conversation) error {
	for _, id := range []any{"a string", 123456789012345, 0, ""} {
		a, err := c.askAs(ctx, id, c.harmless(), nil)
		if err != nil {
			return err
		}
		want, err := json.Marshal(id)
		if err != nil {
			return err
		}
		if !bytes.Equal(bytes.TrimSpace(a.ID), want) {
			return fmt.Errorf("a request with id %s is answered with id %.100s", want, a.ID)
		}
	}
	return nil
}

// harmless is a method that every server of the version has.
func (c *conversation) harmless() string {
	if c.modern() {
		return "server/discover"
	}
	return "ping"
}

func unknownMethod(ctx context.Context, c *conversation) error {
	a, err := c.ask(ctx, nobody+"/nothing", nil)
	if err != nil {
		return err
	}
	return a.refused(methodNotFound)
}

func brokenJSON(ctx context.Context, c *conversation) error {
	a, err := c.raw(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":`))
	if err != nil {
		return err
	}
	if err := a.refused(parseError); err != nil {
		return err
	}
	return c.alive(ctx)
}

func notJSONRPC(ctx context.Context, c *conversation) error {
	a, err := c.raw(ctx, bytes.Replace(c.message(77, c.harmless(), nil), []byte(`"2.0"`), []byte(`"1.0"`), 1))
	if err != nil {
		return err
	}
	if err := a.refused(invalidRequest); err != nil {
		return err
	}
	return c.alive(ctx)
}

// late is a cancellation of a request that is over, as any client may send.
var late = map[string]any{"requestId": 1, "reason": "too late"}

func notification(ctx context.Context, c *conversation) error {
	if err := c.tell(ctx, "notifications/cancelled", late); err != nil {
		return err
	}
	return c.alive(ctx)
}

// alive reports whether the server goes on after what it was sent.
func (c *conversation) alive(ctx context.Context) error {
	a, err := c.ask(ctx, c.harmless(), nil)
	if err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	if a.Error != nil {
		return fmt.Errorf("afterwards it refuses %s with code %d", c.harmless(), a.Error.Code)
	}
	return nil
}

// lists are the lists behind each capability.
var lists = []struct{ capability, method, member string }{
	{"tools", "tools/list", "tools"},
	{"resources", "resources/list", "resources"},
	{"resources", "resources/templates/list", "resourceTemplates"},
	{"prompts", "prompts/list", "prompts"},
}

func capabilities(ctx context.Context, c *conversation) error {
	for _, l := range lists {
		if !c.has(l.capability) {
			continue
		}
		a, err := c.ask(ctx, l.method, nil)
		if err != nil {
			return err
		}
		var result map[string]json.RawMessage
		if err := a.result(&result); err != nil {
			return fmt.Errorf("it says that it has %s, and %s is %w", l.capability, l.method, err)
		}
		if list := result[l.member]; len(list) == 0 || list[0] != '[' {
			return fmt.Errorf("%s answers with %s %.100q, want an array", l.method, l.member, list)
		}
	}
	return nil
}

func badCursor(ctx context.Context, c *conversation) error {
	for _, l := range lists {
		if !c.has(l.capability) {
			continue
		}
		a, err := c.ask(ctx, l.method, map[string]any{"cursor": nobody})
		if err != nil {
			return err
		}
		if err := a.refused(invalidParams); err != nil {
			return fmt.Errorf("%s with a cursor that it never gave: %w", l.method, err)
		}
		return nil
	}
	return skipError("the server has no lists")
}

// each calls f for each item of all pages of a list.
func each[T any](ctx context.Context, c *conversation, capability, method, member string, f func(T) error) error {
	if !c.has(capability) {
		return skipError("the server has no " + capability)
	}
	const mostPages = 1000
	params := map[string]any{}
	for range mostPages {
		a, err := c.ask(ctx, method, params)
		if err != nil {
			return err
		}
		var result map[string]json.RawMessage
		if err := a.result(&result); err != nil {
			return err
		}
		var items []T
		if err := json.Unmarshal(result[member], &items); err != nil {
			return fmt.Errorf("%s answers with %s that do not fit: %w", method, member, err)
		}
		for _, item := range items {
			if err := f(item); err != nil {
				return err
			}
		}
		var cursor string
		if next, there := result["nextCursor"]; !there {
			return nil
		} else if err := json.Unmarshal(next, &cursor); err != nil {
			return fmt.Errorf("%s answers with nextCursor %.100s, want a string", method, next)
		}
		params["cursor"] = cursor
	}
	return fmt.Errorf("%s does not end after %d pages", method, mostPages)
}

// once returns an error for a name that is empty or was seen.
func once(kind string, seen *[]string, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a %s has no name", kind)
	case slices.Contains(*seen, name):
		return fmt.Errorf("two %ss are called %q", kind, name)
	}
	*seen = append(*seen, name)
	return nil
}

func toolList(ctx context.Context, c *conversation) error {
	var seen []string
	return each(ctx, c, "tools", "tools/list", "tools", func(t struct {
		Name         string
		InputSchema  map[string]json.RawMessage
		OutputSchema map[string]json.RawMessage
	},
	) error {
		if err := once("tool", &seen, t.Name); err != nil {
			return err
		}
		if string(t.InputSchema["type"]) != `"object"` {
			return fmt.Errorf("the input schema of tool %q has type %s, want \"object\"", t.Name, t.InputSchema["type"])
		}
		if t.OutputSchema != nil && !c.modern() && string(t.OutputSchema["type"]) != `"object"` {
			return fmt.Errorf("the output schema of tool %q has type %s, want \"object\"", t.Name, t.OutputSchema["type"])
		}
		return nil
	})
}

func resourceList(ctx context.Context, c *conversation) error {
	var seen []string
	return each(ctx, c, "resources", "resources/list", "resources", func(r struct{ URI, Name string }) error {
		if r.Name == "" {
			return fmt.Errorf("resource %q has no name", r.URI)
		}
		return once("resource", &seen, r.URI)
	})
}

func promptList(ctx context.Context, c *conversation) error {
	var seen []string
	return each(ctx, c, "prompts", "prompts/list", "prompts", func(p struct{ Name string }) error {
		return once("prompt", &seen, p.Name)
	})
}

// unknown asks for something that does not exist.
func unknown(capability, method string, params map[string]any, codes ...int64) func(context.Context, *conversation) error {
	return func(ctx context.Context, c *conversation) error {
		if !c.has(capability) {
			return skipError("the server has no " + capability)
		}
		a, err := c.ask(ctx, method, params)
		if err != nil {
			return err
		}
		return a.refused(codes...)
	}
}

func missingArgument(ctx context.Context, c *conversation) error {
	wanting := ""
	err := each(ctx, c, "prompts", "prompts/list", "prompts", func(p struct {
		Name      string
		Arguments []struct{ Required bool }
	},
	) error {
		for _, a := range p.Arguments {
			if a.Required {
				wanting = p.Name
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case wanting == "":
		return skipError("no prompt requires an argument")
	}
	a, err := c.ask(ctx, "prompts/get", map[string]any{"name": wanting})
	if err != nil {
		return err
	}
	return a.refused(invalidParams)
}

func ping(ctx context.Context, c *conversation) error {
	a, err := c.ask(ctx, "ping", nil)
	if err != nil {
		return err
	}
	var empty map[string]json.RawMessage
	if err := a.result(&empty); err != nil {
		return err
	}
	delete(empty, "_meta")
	if len(empty) != 0 {
		return fmt.Errorf("answered with %.200s, want {}", a.Result)
	}
	return nil
}

// missingVersion sends a modern request that does not say which version it is of.
func missingVersion(ctx context.Context, c *conversation) error {
	if _, ok := c.wire.(*HTTP); !ok {
		return skipError("without HTTP headers such a request is one before a handshake")
	}
	a, err := c.raw(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}`))
	if err != nil {
		return err
	}
	if a.Error == nil {
		return errors.New("answered a request that says no protocol version in its _meta")
	}
	return nil
}

// resultType looks for the member that every modern result has.
func resultType(ctx context.Context, c *conversation) error {
	for _, l := range lists {
		if !c.has(l.capability) {
			continue
		}
		a, err := c.ask(ctx, l.method, nil)
		if err != nil {
			return err
		}
		var result struct{ ResultType string }
		if err := a.result(&result); err != nil {
			return err
		}
		if result.ResultType != "complete" {
			return fmt.Errorf("%s answers with resultType %q, want \"complete\"", l.method, result.ResultType)
		}
	}
	return nil
}
