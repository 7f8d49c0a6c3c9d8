package httptool

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// pairs are the parameters of a query or a form, encoded, in order.
type pairs []string

// after returns the pairs behind those of fixed.
func (p pairs) after(fixed string) string {
	if fixed == "" {
		return strings.Join(p, "&")
	}
	return strings.Join(append([]string{strings.TrimSuffix(fixed, "&")}, p...), "&")
}

func (p *pairs) set(name, value string) { *p = append(*p, escape(name)+"="+escape(value)) }

var separators = map[Style]string{Comma: ",", Space: "%20", Pipe: "%7C"}

func (p *pairs) add(name string, style Style, value any) error {
	if style == JSON {
		text, err := encode(value)
		if err == nil {
			p.set(name, string(text))
		}
		return err
	}
	switch v := value.(type) {
	case map[string]any:
		if style != Deep {
			return errors.New("must not be an object")
		}
		for _, key := range sortedKeys(v) {
			if err := p.addPlain(name+"["+key+"]", v[key]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if sep, ok := separators[style]; ok {
			text, err := joined(v, sep, escape)
			*p = append(*p, escape(name)+"="+text)
			return err
		}
		for _, item := range v {
			if err := p.addPlain(name, item); err != nil {
				return err
			}
		}
		return nil
	}
	return p.addPlain(name, value)
}

func (p *pairs) addPlain(name string, value any) error {
	text, err := scalarText(value)
	if err == nil {
		p.set(name, text)
	}
	return err
}

func joined(list []any, sep string, escape func(string) string) (string, error) {
	texts := make([]string, len(list))
	for i, item := range list {
		text, err := scalarText(item)
		if err != nil {
			return "", err
		}
		texts[i] = escape(text)
	}
	return strings.Join(texts, sep), nil
}

// escape encodes a blank as %20, which is right in queries and in forms.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
