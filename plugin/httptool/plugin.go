package httptool

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
)

// Options are what the program decides, and no description. The zero value is
// ready to use.
type Options struct {
	// RootCAs are those that services are verified by. Nil means the system's.
	RootCAs *x509.CertPool
	// Resolver looks hosts up. Nil means Go's default.
	Resolver *net.Resolver
	// Allow is the house's own word on a description: which hosts, addresses and
	// secrets it may name, say. Its error is that of [New]. Nil allows all that
	// Check does. It may be called concurrently.
	Allow func(*Spec) error
}

// A Plugin is the tools of one description: a [plugin.Plugin] and a
// [plugin.Stopper].
type Plugin struct {
	service *service
	client  *client
}

// New returns a plugin, or all mistakes of spec at once. Secrets of the
// environment and of files have to be there. spec is not kept. Nil options mean
// the zero value.
func New(spec *Spec, o *Options) (*Plugin, error) {
	if o == nil {
		o = &Options{}
	}
	if o.Allow != nil && spec.Check() == nil { // before any secret is looked for
		if err := o.Allow(spec); err != nil {
			return nil, fmt.Errorf("httptool: %s: not allowed here: %w", spec.Name, err)
		}
	}
	m := new(mistakes)
	s := spec.compile(true, m)
	if err := m.err(); err != nil {
		return nil, fmt.Errorf("httptool: %s: %w", printable(clip(spec.Name, 64)), err)
	}
	p := &Plugin{service: s, client: newClient(s, o)}
	for _, t := range s.tools {
		t.client = p.client
	}
	return p, nil
}

// Name returns the name of the description.
func (p *Plugin) Name() string { return p.service.name }

// Version returns the version of the description.
func (p *Plugin) Version() string { return p.service.version }

// Register adds the tools.
func (p *Plugin) Register(r *plugin.Registrar) error {
	var errs []error
	for _, t := range p.service.tools {
		f := plugin.RawTool(t.def, t.call, t.access)
		f.Timeout = t.timeout + grace
		errs = append(errs, r.AddFeature(f))
	}
	return errors.Join(errs...)
}

// grace lets a call say itself that it took too long, before the server does.
const grace = time.Second

// Stop closes the connections.
func (p *Plugin) Stop(context.Context) error {
	p.client.closeIdle()
	return nil
}

func (t *tool) call(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	decoded, err := t.input.Decode(req.Params.Arguments)
	if err != nil {
		return nil, err
	}
	args, _ := decoded.(map[string]any) // the schema's type is object
	out, err := t.build(args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	a, err := t.client.do(ctx, out, t)
	if err != nil {
		return nil, err
	}
	return t.result(a)
}
