package server

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/yosida95/uritemplate/v3"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/schema"
)

// A Target is what tools, resources and prompts are added to: a [*Server], or
// the [*plugin.Registrar] of a plugin.
type Target interface {
	AddFeature(f plugin.Feature) error
}

// Access says for whom there is a tool, prompt or resource that go-sdk
// describes. [Tool] has the fields itself, and says what they mean.
type Access = plugin.Access

// A Client is what [Tool.When] decides by.
type Client = plugin.Client

// A Completer suggests values for an argument that starts with typed, the best
// first. chosen holds the other arguments the user has already filled in.
// More than 100 values may be returned; clients get 100 and the total.
type Completer = plugin.Completer

// AddFeature registers what is described already. It is what [AddTool],
// AddRawTool and their like come down to.
func (s *Server) AddFeature(f plugin.Feature) error {
	return s.names.noted(f.Kind, f.Name(), func() error {
		err := vet(&f)
		add, wrong := s.entries(&f)
		if err = errors.Join(err, wrong); err == nil {
			err = s.trial(add)
		}
		if err == nil {
			err = s.swap(nil, add)
		}
		return err
	})
}

func (s *Server) remove(k plugin.Kind, names []string) {
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	var gone []*entry
	now := s.names.now.Load()
	for _, name := range names {
		e := now.of(k)[name]
		switch {
		case e == nil:
			s.uninstall(k, name) // it may have been added to the SDK's server directly
		case e.Owner == nil:
			gone = append(gone, e)
			gone = append(gone, now.aliasesOf(e)...)
		}
	}
	s.install(now, now.without(gone), nil, gone)
}

// vet returns all that is wrong with a feature by itself, but for what keeps
// [Server.entries] from making entries of it.
func vet(f *plugin.Feature) error {
	if f.Err != nil {
		return nil //nolint:nilerr // entries returns it
	}
	var errs []error
	switch {
	case f.Tool != nil:
		errs = append(errs, checkName(f.Name()), checkDescription(f.Tool.Description), checkSeen(f.Tool), checkSchemas(f.Tool))
	case f.Prompt != nil:
		errs = append(errs, checkName(f.Name()), checkDescription(f.Prompt.Description), checkSeen(f.Prompt))
	case f.Resource != nil:
		errs = append(errs, checkResourceURI(f.Name()), checkTitle(f.Resource.Name), checkSeen(f.Resource))
	case f.Template != nil:
		errs = append(errs, checkTitle(f.Template.Name), checkSeen(f.Template))
	}
	for _, alias := range f.Aliases {
		if err := checkName(alias); err != nil {
			errs = append(errs, fmt.Errorf("alias %q: %w", alias, err))
		}
	}
	return errors.Join(errs...)
}

// entries returns what the registry has to know of a feature and its aliases.
func (s *Server) entries(f *plugin.Feature) ([]*entry, error) {
	if f.Err != nil {
		return nil, f.Err
	}
	e := &entry{Feature: *f, name: f.Name()}
	var errs []error
	switch {
	case f.Tool != nil && f.CallTool != nil:
	case f.Prompt != nil && f.GetPrompt != nil:
		for _, a := range f.Prompt.Arguments {
			e.arguments = append(e.arguments, a.Name)
		}
	case f.Resource != nil && f.Read != nil:
		e.mimeType = f.Resource.MIMEType
	case f.Template != nil && f.Read != nil:
		errs = append(errs, e.parseTemplate())
		e.mimeType = f.Template.MIMEType
	default:
		return nil, errors.New("no definition, or no handler")
	}
	for argument := range f.Completers {
		errs = append(errs, e.checkArgument(argument))
	}
	var err error
	e.gate, err = s.gate(f.Kind != plugin.KindTool || readOnly(f.Tool), f.Access)
	all := []*entry{e}
	for _, alias := range f.Aliases {
		all = append(all, &entry{
			Feature: plugin.Feature{Kind: f.Kind, Owner: f.Owner}, name: alias, canonical: e.name, gate: new(gate),
		})
	}
	return all, errors.Join(append(errs, err)...)
}

// checkSchemas refuses schemas that refer to another place, since clients might
// fetch it, and others that cannot be read. That there is none is for go-sdk to say.
func checkSchemas(t *mcp.Tool) error {
	check := func(what string, s any) error {
		if s == nil {
			return nil
		}
		if _, err := schema.For[any](&schema.Options{JSONSchema: s}); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	return errors.Join(check("arguments", t.InputSchema), check("result", t.OutputSchema))
}

func readOnly(t *mcp.Tool) bool { return t.Annotations != nil && t.Annotations.ReadOnlyHint }

func (e *entry) parseTemplate() (err error) {
	if e.template, err = uritemplate.New(e.name); err != nil {
		return fmt.Errorf("not an RFC 6570 template: %w", err)
	}
	e.arguments = e.template.Varnames()
	return nil
}

func checkResourceURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || checkURI(uri) != nil:
		return errors.New("not a valid URI")
	case u.Scheme == "":
		return errors.New("not an absolute URI; it needs a scheme, as in file:///x")
	}
	return nil
}

func nilHandler(isNil bool) error {
	if isNil {
		return errors.New("nil handler")
	}
	return nil
}
