package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/yosida95/uritemplate/v3"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/absent"
	"github.com/trestle-mcp/trestle/schema"
)

// A Resource describes something clients can read.
type Resource struct {
	URI         string // absolute
	Name        string // for programs; must not be empty
	Title       string // for people
	Description string
	MIMEType    string // of the contents, unless the handler says otherwise
	Size        int64  // in bytes; 0: unknown
	Annotations *mcp.Annotations
	Icons       []mcp.Icon
	Meta        mcp.Meta

	Require, RequireScopes []string // like a tool's, beside read:resources:URI
	Tags                   []string // like a tool's
}

// A ResourceTemplate describes a family of resources by an RFC 6570 template,
// such as "file:///{+path}".
type ResourceTemplate struct {
	URITemplate string
	Name        string // for programs; must not be empty
	Title       string // for people
	Description string
	MIMEType    string // of the contents, unless the handler says otherwise
	Annotations *mcp.Annotations
	Icons       []mcp.Icon
	Meta        mcp.Meta

	Require, RequireScopes []string // like a tool's, beside read:resources:URI
	Tags                   []string // like a tool's
}

// Contents is what a resource handler returns: a string is text, a []byte is
// binary, and *mcp.ReadResourceResult is sent as it is.
type Contents interface {
	string | []byte | *mcp.ReadResourceResult
}

// AddResource registers a resource. Errors are as with [AddTool].
func AddResource[C Contents](s *Server, r Resource, h func(context.Context) (C, error)) error {
	if h == nil {
		return s.names.add(kindResource, r.URI, nil, errors.New("nil handler"), nil)
	}
	def := &mcp.Resource{
		URI: r.URI, Name: r.Name, Title: r.Title, Description: r.Description, MIMEType: r.MIMEType,
		Size: r.Size, Annotations: r.Annotations, Icons: r.Icons, Meta: r.Meta,
	}
	return s.AddRawResource(def, func(ctx context.Context, _ *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return readResult(h(ctx))
	}, Access{Require: r.Require, RequireScopes: r.RequireScopes, Tags: r.Tags})
}

// AddResourceTemplate registers a resource template. V is a struct with a field
// for each variable of the template, named by its json tag; the variables are
// percent-decoded, converted to the field's type and validated like the
// arguments of a tool. [URI] gives the whole URI.
//
// A variable may hold anything: open files below an os.Root.
func AddResourceTemplate[V any, C Contents](s *Server, t ResourceTemplate, h func(context.Context, V) (C, error)) error {
	vars, err := schema.For[V](nil)
	if err != nil {
		err = fmt.Errorf("variables: %w", err)
	}
	tmpl, tmplErr := uritemplate.New(t.URITemplate)
	if err == nil && tmplErr == nil {
		err = sameNames(tmpl.Varnames(), fieldNames(vars))
	}
	if h == nil {
		err = errors.Join(err, errors.New("nil handler"))
	}
	if err != nil {
		return s.names.add(kindTemplate, t.URITemplate, nil, err, nil)
	}
	def := &mcp.ResourceTemplate{
		URITemplate: t.URITemplate, Name: t.Name, Title: t.Title, Description: t.Description,
		MIMEType: t.MIMEType, Annotations: t.Annotations, Icons: t.Icons, Meta: t.Meta,
	}
	return s.AddRawResourceTemplate(def, func(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		texts := make(map[string]string)
		for name, v := range tmpl.Match(req.Params.URI) {
			texts[name] = v.String()
		}
		in, err := vars.DecodeText(texts)
		if err != nil {
			return nil, err
		}
		return readResult(h(ctx, in))
	}, Access{Require: t.Require, RequireScopes: t.RequireScopes, Tags: t.Tags})
}

// AddRawResource registers go-sdk's own handler. r is not changed. access says
// what callers need.
func (s *Server) AddRawResource(r *mcp.Resource, h mcp.ResourceHandler, access ...Access) error {
	if r == nil || h == nil {
		return s.names.add(kindResource, "", nil, errors.New("nil resource or handler"), nil)
	}
	def := *r
	u, err := url.Parse(r.URI)
	switch {
	case err != nil || checkURI(r.URI) != nil:
		err = errors.New("not a valid URI")
	case u.Scheme == "":
		err = errors.New("not an absolute URI; it needs a scheme, as in file:///x")
	}
	g, gateErr := s.gate(true, access)
	return s.names.add(kindResource, r.URI, &entry{gate: g}, errors.Join(err, gateErr, checkTitle(r.Name), checkSeen(r)), func() {
		s.mcp.AddResource(&def, s.readHandler(g, h))
	})
}

// AddRawResourceTemplate registers go-sdk's own handler. t is not changed.
// access says what callers need.
func (s *Server) AddRawResourceTemplate(t *mcp.ResourceTemplate, h mcp.ResourceHandler, access ...Access) error {
	if t == nil || h == nil {
		return s.names.add(kindTemplate, "", nil, errors.New("nil template or handler"), nil)
	}
	def := *t
	g, gateErr := s.gate(true, access)
	e := &entry{gate: g}
	var err error
	if e.template, err = uritemplate.New(t.URITemplate); err != nil {
		err = fmt.Errorf("not an RFC 6570 template: %w", err)
	} else {
		e.arguments = e.template.Varnames()
	}
	return s.names.add(kindTemplate, t.URITemplate, e, errors.Join(err, gateErr, checkTitle(t.Name), checkSeen(t)), func() {
		s.mcp.AddResourceTemplate(&def, s.readHandler(g, h))
	})
}

// RemoveResources takes resources back; unknown URIs are ignored.
func (s *Server) RemoveResources(uris ...string) {
	s.names.remove(kindResource, uris, s.mcp.RemoveResources)
}

// RemoveResourceTemplates takes templates back; unknown ones are ignored.
func (s *Server) RemoveResourceTemplates(uriTemplates ...string) {
	s.names.remove(kindTemplate, uriTemplates, s.mcp.RemoveResourceTemplates)
}

// readHandler asks what stands before h, turns a question of h to the client into
// its result, and keeps what h returned to itself: the SDK fills in URIs and MIME
// types, and a handler may return the same value to many calls.
func (s *Server) readHandler(g *gate, h mcp.ResourceHandler) mcp.ResourceHandler {
	return func(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		action := auth.Action{Verb: auth.Read, Kind: auth.Resources, Name: req.Params.URI}
		if err := s.permit(ctx, req, g, action, absent.Resource); err != nil {
			return nil, err
		}
		res, err := h(ctx, req)
		ask, err := asked(err)
		if ask != nil {
			return &mcp.ReadResourceResult{InputRequests: ask.requests, RequestState: ask.state}, nil
		}
		if err != nil {
			return nil, withURI(err, req.Params.URI)
		}
		if res == nil || slices.Contains(res.Contents, nil) {
			return nil, errors.New("the resource handler returned nil contents")
		}
		own := *res
		own.Meta = maps.Clone(res.Meta)
		own.Contents = make([]*mcp.ResourceContents, len(res.Contents))
		for i, c := range res.Contents {
			dup := *c
			own.Contents[i] = &dup
		}
		return &own, nil
	}
}

func readResult[C Contents](c C, err error) (*mcp.ReadResourceResult, error) {
	if err != nil {
		return nil, err
	}
	switch c := any(c).(type) {
	case string:
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{Text: c}}}, nil
	case []byte:
		if c == nil {
			c = []byte{} // nil would be sent as empty text
		}
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{Blob: c}}}, nil
	case *mcp.ReadResourceResult:
		return c, nil
	}
	return nil, nil
}

// withURI adds the URI to a not-found error, where the protocol wants it.
func withURI(err error, uri string) error {
	e := mcperrors.From(err)
	if e.Code != mcperrors.NotFound || e.Details["uri"] != nil {
		return err
	}
	located := *e
	located.Details = map[string]any{"uri": uri}
	maps.Copy(located.Details, e.Details)
	return &located
}

func checkTitle(name string) error {
	if name == "" {
		return errors.New("name: missing")
	}
	return nil
}

func fieldNames[T any](s *schema.Schema[T]) []string {
	var names []string
	for _, f := range s.Fields() {
		names = append(names, f.Name)
	}
	return names
}

// sameNames makes sure that every variable has a field and every field a variable.
func sameNames(variables, fields []string) error {
	var errs []error
	for _, v := range variables {
		if !slices.Contains(fields, v) {
			errs = append(errs, fmt.Errorf("variable %q has no field; fields are %q", v, fields))
		}
	}
	for _, f := range fields {
		if !slices.Contains(variables, f) {
			errs = append(errs, fmt.Errorf("field %q has no variable; variables are %q", f, variables))
		}
	}
	return errors.Join(errs...)
}
