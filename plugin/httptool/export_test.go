package httptool

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Call calls a tool as a server does.
func (p *Plugin) Call(ctx context.Context, name, arguments string) (*mcp.CallToolResult, error) {
	for _, t := range p.service.tools {
		if t.def.Name == name {
			return t.call(ctx, &mcp.CallToolRequest{
				Params: &mcp.CallToolParamsRaw{Name: name, Arguments: json.RawMessage(arguments)},
				Extra:  &mcp.RequestExtra{Header: map[string][]string{"Authorization": {"Bearer inbound-canary"}}},
			})
		}
	}
	panic("no tool " + name)
}

// Tool returns what clients see of a tool.
func (p *Plugin) Tool(name string) *mcp.Tool {
	for _, t := range p.service.tools {
		if t.def.Name == name {
			return t.def
		}
	}
	return nil
}

// Permits asks the guard of a description with those addresses.
func Permits(addr string, allowed ...string) bool {
	g := newGuard(allowed, new(mistakes))
	return g.permits(netip.MustParseAddr(addr))
}

// PermitsPlain asks it for a connection without TLS.
func PermitsPlain(address string, allowed ...string) bool {
	g := newGuard(allowed, new(mistakes))
	return g.plainControl("tcp", address, nil) == nil
}

func (p *Plugin) HasProxy() bool { return p.client.secure.Proxy != nil || p.client.plain.Proxy != nil }

var HasDots = hasDots

// PathFor returns the path of a request whose second segment is an argument.
func PathFor(argument string) (string, error) {
	spec := &Spec{
		Name: "t", Version: "1.0.0", BaseURL: "https://api.example.com/v1",
		Tools: []Tool{{Name: "t", Description: "d", URL: "/{x}/end", Arguments: []Argument{{Name: "x"}}}},
	}
	p, err := New(spec, nil)
	if err != nil {
		return "", err
	}
	out, err := p.service.tools[0].build(map[string]any{"x": argument})
	if err != nil {
		return "", err
	}
	return out.url.RequestURI(), nil
}

var RetryAfter = retryAfter

const MaxConns = maxConns

// ReadUntilDone reads an answer whose body ends well once ctx is done.
func ReadUntilDone(ctx context.Context) error {
	c := &client{service: &service{maxResponse: 100}}
	_, err := c.read(ctx, &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(untilDone{ctx})}, nil)
	return err
}

type untilDone struct{ ctx context.Context }

func (r untilDone) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, io.EOF
}
