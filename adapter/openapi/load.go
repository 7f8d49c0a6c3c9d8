package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/trestle-mcp/trestle/internal/strictjson"
	"github.com/trestle-mcp/trestle/internal/yamljson"
)

// Bounds on a document.
const (
	maxDocument = 8 << 20 // bytes
	maxDepth    = 64
	maxMistakes = 64
)

// A document is one that was read: by the parser, and as it is written.
type document struct {
	*openapi3.T
	raw any
	old bool // 3.0: schemas are not those of JSON schema 2020-12
}

// load reads a document, and checks what holds for all of it.
func load(text []byte) (*document, error) {
	if len(text) > maxDocument {
		return nil, fmt.Errorf("longer than %d bytes", maxDocument)
	}
	data, err := asJSON(text)
	if err != nil {
		return nil, err
	}
	d := new(document)
	if d.raw, err = decode(data); err != nil {
		return nil, err
	}
	if err := d.checkHead(); err != nil {
		return nil, err
	}
	if err := localOnly(d.raw, ""); err != nil {
		return nil, err
	}
	return d, nil
}

// asJSON returns a document in JSON, however it is written.
func asJSON(text []byte) ([]byte, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		return trimmed, strictjson.Check(trimmed, maxDepth)
	}
	root, err := yamljson.Load(text)
	if err != nil {
		return nil, err
	}
	var errs []error
	w := yamljson.Writer{MaxDepth: maxDepth, ScalarKeys: true, Mistake: func(line int, path, text string) {
		if len(errs) < maxMistakes {
			errs = append(errs, fmt.Errorf("line %d: %s: %s", line, path, text))
		}
	}}
	data := w.Append(nil, "", root, 0)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return data, strictjson.Check(data, maxDepth)
}

func decode(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func (d *document) checkHead() error {
	root, _ := d.raw.(map[string]any)
	version, _ := root["openapi"].(string)
	switch {
	case strings.HasPrefix(version, "3.0."):
		d.old = true
	case strings.HasPrefix(version, "3.1."):
	case root["swagger"] != nil:
		return errors.New("a document of version 2: convert it to OpenAPI 3 first")
	default:
		return errors.New("not an OpenAPI document of version 3.0 or 3.1")
	}
	return nil
}

// localOnly reports a $ref that leads out of the document. The parser is told to
// follow none, too.
func localOnly(v any, at string) error {
	switch in := v.(type) {
	case map[string]any:
		for _, key := range []string{"$ref", "operationRef", "$dynamicRef"} {
			if ref, ok := in[key].(string); ok && !strings.HasPrefix(ref, "#") && !literal(at) {
				return fmt.Errorf("%s: %s %.200q leads out of the document", at, key, ref)
			}
		}
		for key, sub := range in {
			if err := localOnly(sub, at+"/"+key); err != nil {
				return err
			}
		}
	case []any:
		for _, sub := range in {
			if err := localOnly(sub, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// literal reports whether what is at that path stands for itself.
func literal(at string) bool {
	for _, key := range []string{"/example", "/examples", "/default", "/enum", "/const"} {
		if strings.HasSuffix(at, key) || strings.Contains(at, key+"/") {
			return true
		}
	}
	return false
}

// parse reads and checks the chosen part of the document.
func (d *document) parse(chosen []*operation) (err error) {
	pruned, err := d.prune(chosen)
	if err != nil {
		return err
	}
	data, err := json.Marshal(pruned)
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("the parser panicked")
		}
	}()
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = false
	loader.ReadFromURIFunc = func(*openapi3.Loader, *url.URL) ([]byte, error) {
		return nil, errors.New("nothing is fetched")
	}
	if d.T, err = loader.LoadFromData(data); err != nil {
		return err
	}
	return d.Validate(context.Background(), openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation(),
		openapi3.DisableSchemaPatternValidation(), openapi3.EnableMultiError())
}
