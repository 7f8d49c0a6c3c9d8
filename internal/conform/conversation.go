package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/trestle-mcp/trestle/internal/era"
)

// A Wire carries messages to a server and back.
type Wire interface {
	// Exchange sends a message and returns the answer to it: of a request with an
	// id, the response, with what comes before it left out; of anything else that
	// the server answers, that. wantsAnswer is false for notifications: then it
	// returns nil when the server took it.
	Exchange(ctx context.Context, message []byte, wantsAnswer bool) ([]byte, error)
	// Opened tells the wire that a version is spoken from now on.
	Opened(version string)
}

// A conversation is with one server, in one version of the protocol.
type conversation struct {
	wire         Wire
	version      string
	timeout      time.Duration // of one rule
	capabilities map[string]json.RawMessage
	id           int
}

func (c *conversation) modern() bool { return era.IsModern(c.version) }

// open begins the conversation, with a handshake where the version has one.
func (c *conversation) open(ctx context.Context) error {
	var opened struct {
		ProtocolVersion string
		Supported       []string `json:"supportedVersions"`
		Capabilities    map[string]json.RawMessage
		ServerInfo      struct{ Name, Version string }
	}
	if c.modern() {
		c.wire.Opened(c.version)
		a, err := c.ask(ctx, "server/discover", nil)
		if err != nil {
			return err
		}
		if err := a.result(&opened); err != nil {
			return err
		}
		c.capabilities = opened.Capabilities
		return nil
	}
	a, err := c.ask(ctx, "initialize", c.hello(c.version))
	if err != nil {
		return err
	}
	if err := a.result(&opened); err != nil {
		return err
	}
	switch {
	case opened.ProtocolVersion != c.version:
		return fmt.Errorf("it answers with %q", opened.ProtocolVersion)
	case opened.ServerInfo.Name == "":
		return errors.New("its serverInfo has no name")
	}
	c.capabilities = opened.Capabilities
	c.wire.Opened(c.version)
	return c.tell(ctx, "notifications/initialized", nil)
}

func (c *conversation) hello(version string) map[string]any {
	return map[string]any{
		"protocolVersion": version, "capabilities": map[string]any{},
		"clientInfo": map[string]any{"name": "trestle-conform", "version": "1"},
	}
}

// message encodes a request, with what the version wants in each.
func (c *conversation) message(id any, method string, params map[string]any) []byte {
	m := map[string]any{"jsonrpc": "2.0", "method": method}
	if id != nil {
		m["id"] = id
	}
	all := map[string]any{}
	maps.Copy(all, params)
	if c.modern() {
		all["_meta"] = map[string]any{
			"io.modelcontextprotocol/protocolVersion":    c.version,
			"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "trestle-conform", "version": "1"},
			"io.modelcontextprotocol/clientCapabilities": map[string]any{},
		}
	}
	if len(all) > 0 {
		m["params"] = all
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // all of it is ours
	}
	return raw
}

// ask sends a request and returns its response.
func (c *conversation) ask(ctx context.Context, method string, params map[string]any) (*answer, error) {
	c.id++
	return c.askAs(ctx, c.id, method, params)
}

// askAs is ask with an id of the caller's choice.
func (c *conversation) askAs(ctx context.Context, id any, method string, params map[string]any) (*answer, error) {
	return c.raw(ctx, c.message(id, method, params))
}

// raw sends anything and returns the response to it.
func (c *conversation) raw(ctx context.Context, message []byte) (*answer, error) {
	raw, err := c.wire.Exchange(ctx, message, true)
	if err != nil {
		return nil, err
	}
	a := new(answer)
	if err := json.Unmarshal(raw, a); err != nil {
		return nil, fmt.Errorf("answered with %.200q, which is no JSON-RPC response: %w", raw, err)
	}
	switch {
	case a.Version != "2.0":
		return nil, fmt.Errorf("answered with jsonrpc %q, want \"2.0\"", a.Version)
	case (a.Error == nil) == (a.Result == nil):
		return nil, fmt.Errorf("answered with %.200q, which has not just one of result and error", raw)
	}
	return a, nil
}

// tell sends a notification.
func (c *conversation) tell(ctx context.Context, method string, params map[string]any) error {
	_, err := c.wire.Exchange(ctx, c.message(nil, method, params), false)
	return err
}

// has reports whether the server says that it can do something.
func (c *conversation) has(capability string) bool {
	_, there := c.capabilities[capability]
	return there
}
