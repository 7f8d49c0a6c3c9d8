package openapi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// sign puts what signs in into a tool.
func (b *builder) sign(op *operation, t *httptool.Tool) error {
	alternatives := b.Security
	if op.Security != nil {
		alternatives = *op.Security
	}
	if len(alternatives) == 0 {
		return nil
	}
	var lacking []string
	free := false
	for _, schemes := range alternatives {
		names := slices.Sorted(maps.Keys(schemes))
		if len(names) == 0 {
			free = true // it may be called by anybody; signed in is better
			continue
		}
		if i := slices.IndexFunc(names, func(name string) bool { return b.options.Secrets[name] == nil }); i >= 0 {
			lacking = append(lacking, names[i])
			continue
		}
		return b.signWith(names, t)
	}
	if free {
		return nil
	}
	return fmt.Errorf("no secret is there to sign in with; Secrets lacks %s", strings.Join(lacking, " or "))
}

func (b *builder) signWith(names []string, t *httptool.Tool) error {
	var errs []error
	for _, name := range names {
		var scheme *openapi3.SecurityScheme
		if b.Components != nil && b.Components.SecuritySchemes[name] != nil {
			scheme = b.Components.SecuritySchemes[name].Value
		}
		if scheme == nil {
			errs = append(errs, fmt.Errorf("security scheme %q is not in the document", name))
			continue
		}
		secret := *b.options.Secrets[name]
		if err := place(scheme, &secret, t); err != nil {
			errs = append(errs, fmt.Errorf("security scheme %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// place puts a secret where its scheme wants it.
func place(scheme *openapi3.SecurityScheme, secret *httptool.Secret, t *httptool.Tool) error {
	header := func(name string) {
		t.Headers = append(t.Headers, httptool.Field{Name: name, Secret: secret})
	}
	switch kind := scheme.Type + " " + strings.ToLower(scheme.Scheme); {
	case scheme.Type == "apiKey" && scheme.In == "query":
		t.Query = append(t.Query, httptool.Field{Name: scheme.Name, Secret: secret})
	case scheme.Type == "apiKey" && scheme.In == "header":
		header(scheme.Name)
	case scheme.Type == "apiKey" && scheme.In == "cookie":
		secret.Prefix = scheme.Name + "=" + secret.Prefix
		header("Cookie")
	case kind == "http basic":
		if secret.BasicUser == "" {
			return errors.New("its secret wants a BasicUser")
		}
		header("Authorization")
	case kind == "http bearer", scheme.Type == "oauth2", scheme.Type == "openIdConnect":
		if secret.Prefix == "" {
			secret.Prefix = "Bearer "
		}
		header("Authorization")
	default:
		return fmt.Errorf("%s is not supported", strings.TrimSpace(kind))
	}
	return nil
}
