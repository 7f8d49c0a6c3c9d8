package httptool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/yamljson"
)

// An outgoing is a request with the arguments of one call in it, and without
// what the service itself adds.
type outgoing struct {
	method  string
	url     *url.URL
	own     bool // at the host of the base URL
	header  http.Header
	body    []byte
	hasBody bool
}

// build puts arguments where they belong. Errors are for the caller to mend.
func (t *tool) build(args map[string]any) (*outgoing, error) {
	out := &outgoing{method: t.method, own: t.url.own, header: http.Header{}}
	path := map[string]string{}
	var query pairs
	var members []member
	known := 0
	for _, b := range t.bindings {
		value, there := b.value, b.fixed
		if !there {
			if value, there = args[b.name]; !there {
				continue
			}
			known++
		}
		if value == nil && b.place != InField && b.place != InBody {
			continue // null is nothing where there is only text
		}
		var err error
		switch b.place {
		case InPath:
			path[b.as], err = pathText(value)
		case InQuery:
			err = query.add(b.as, b.style, value)
		case InHeader:
			var text string
			if text, err = headerText(value); err == nil {
				out.header.Set(b.as, text)
			}
		case InField:
			members = append(members, member{b.as, value})
		case InBody:
			out.hasBody = true
			out.body, err = t.wholeBody(value)
		}
		if err != nil {
			return nil, mcperrors.Errorf(mcperrors.Validation, "invalid arguments: %s: %v", b.name, err)
		}
	}
	if known < len(args) {
		return nil, t.unknown(args)
	}
	if err := t.setFields(out, members); err != nil {
		return nil, err
	}
	return out, t.setURL(out, path, query)
}

// unknown names an argument that goes nowhere.
func (t *tool) unknown(args map[string]any) error {
	for _, b := range t.bindings {
		if !b.fixed {
			delete(args, b.name)
		}
	}
	for name := range args {
		return mcperrors.Errorf(mcperrors.Validation, "invalid arguments: %s: unknown argument", clip(name, 64))
	}
	return nil
}

func (t *tool) setURL(out *outgoing, values map[string]string, query pairs) error {
	for _, name := range t.url.pathVars {
		if values[name] == "" {
			return mcperrors.Errorf(mcperrors.Validation, "invalid arguments: %s: missing", name)
		}
	}
	path := t.url.expand(values)
	if hasDots(path) {
		return mcperrors.Errorf(mcperrors.Validation, "invalid arguments: they make a path with . or .. in it")
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return fmt.Errorf("httptool: %s: the path of the URL: %w", t.def.Name, err)
	}
	u := *t.url.origin
	u.Path, u.RawPath = plain, path
	u.RawQuery = query.after(t.url.fixed)
	if len(path)+len(u.RawQuery) > maxURL {
		return mcperrors.Errorf(mcperrors.Validation, "invalid arguments: they make a URL of more than %d bytes", maxURL)
	}
	out.url = &u
	return nil
}

type member struct {
	name  string
	value any
}

func (t *tool) setFields(out *outgoing, members []member) error {
	if out.hasBody || !t.hasFields() {
		return nil
	}
	out.hasBody = true
	if t.body == "form" {
		var form pairs
		for _, m := range members {
			if m.value == nil {
				continue
			}
			if err := form.add(m.name, Repeat, m.value); err != nil {
				return mcperrors.Errorf(mcperrors.Validation, "invalid arguments: %s: %v", m.name, err)
			}
		}
		out.body = []byte(form.after(""))
		return nil
	}
	body := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(yamljson.AppendText(body, m.name), ':')
		value, err := encode(m.value)
		if err != nil {
			return err
		}
		body = append(body, value...)
	}
	body = append(body, '}')
	out.body = body
	return nil
}

func (t *tool) hasFields() bool {
	for _, b := range t.bindings {
		if b.place == InField {
			return true
		}
	}
	return false
}

func (t *tool) wholeBody(value any) ([]byte, error) {
	switch t.body {
	case "text":
		text, err := scalarText(value)
		return []byte(text), err
	case "form":
		object, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("must be an object")
		}
		var form pairs
		for _, key := range sortedKeys(object) {
			if err := form.add(key, Repeat, object[key]); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		return []byte(form.after("")), nil
	}
	return encode(value)
}

// encode writes JSON without changing a letter of it for HTML.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("httptool: an argument: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// scalarText writes a string, a number or a boolean. Whole numbers are written
// with their digits, since few services read 1e3.
func scalarText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return fmt.Sprint(v), nil
	case json.Number:
		if text := string(v); strings.ContainsAny(text, ".eE") {
			// The schema's reader has seen that a float64 holds it.
			if exact, ok := new(big.Rat).SetString(text); ok && exact.IsInt() {
				return exact.Num().String(), nil
			}
		}
		return string(v), nil
	}
	return "", fmt.Errorf("must be a string, a number or a boolean")
}

// pathText keeps out what could make another path: a server behind us may
// decode what is encoded, and once more.
func pathText(value any) (string, error) {
	text, err := scalarText(value)
	switch {
	case err != nil:
		return "", err
	case text == "":
		return "", fmt.Errorf("must not be empty: it is part of a path")
	case hasControl(text) || hasControl(unescape(text)):
		return "", fmt.Errorf("has a control character")
	case hasDots(text):
		return "", fmt.Errorf("has . or .. in it: it is part of a path")
	}
	return text, nil
}

func headerText(value any) (string, error) {
	text, err := scalarText(value)
	if list, ok := value.([]any); ok {
		text, err = joined(list, ",", func(s string) string { return s })
	}
	if err == nil && !validHeaderValue(text) {
		err = fmt.Errorf("has a control character, or a blank at an end: it is part of a header")
	}
	return text, err
}

func hasControl(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
