package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/strictjson"
	"github.com/trestle-mcp/trestle/schema"
)

// oracleIn has rules that its schema says whole, so that jsonschema-go can say
// what is right.
type oracleIn struct {
	Count  int               `json:"count" validate:"gte=-5,lt=1000"`
	Small  uint8             `json:"small,omitempty"`
	Ratio  float64           `json:"ratio,omitempty" validate:"omitempty,gt=0,max=1"`
	Name   string            `json:"name" validate:"min=1,max=5"`
	Mode   string            `json:"mode,omitempty" validate:"omitempty,oneof=fast slow"`
	Level  int               `json:"level,omitempty" validate:"omitempty,oneof=1 2 3"`
	Code   string            `json:"code,omitempty" validate:"omitempty,alphanum"`
	On     bool              `json:"on,omitempty"`
	Opt    *int              `json:"opt,omitempty"`
	Tags   []string          `json:"tags,omitempty" validate:"omitempty,max=3,unique,dive,min=1"`
	Pair   [2]int            `json:"pair,omitzero"`
	Words  map[string]string `json:"words,omitempty" validate:"max=2"`
	Nested struct {
		A int   `json:"a,omitempty"`
		B []int `json:"b,omitempty"`
	} `json:"nested,omitzero"`
	Any any `json:"any,omitempty"`
}

func FuzzDecode_AgreesWithJSONSchema(f *testing.F) {
	for _, in := range []string{
		`{"count":1,"name":"x"}`, `{"count":-6,"name":""}`, `{"count":1.0,"name":"é😀","ratio":0.5}`, `{"count":1e2,"name":"a"}`,
		`{"count":999,"name":"a","mode":"fast","level":2,"code":"A1","on":true,"opt":null,"tags":["a","b"],"pair":[1,2]}`,
		`{"count":1,"name":"a","words":{"k":"v"},"nested":{"a":1,"b":[1,2]},"any":[{"x":1e300}]}`,
		`{"count":1,"name":"a","tags":["a","\u0061"]}`, `{"count":1,"name":"a","small":256}`, `{"Count":1,"name":"a"}`,
		`{"count":1,"name":"a","nested":{"A":1}}`, `{"count":9007199254740993,"name":"a"}`, `[]`, `null`, `{"count":-0,"name":"a","small":-0}`,
		`{"count":1,"name":"a","tags":null,"level":1.0,"ratio":1E-2}`, `{"count":0.5,"name":1,"pair":[1]}`,
	} {
		f.Add([]byte(in))
	}
	s, err := schema.For[oracleIn](nil)
	if err != nil {
		f.Fatal(err)
	}
	var js jsonschema.Schema
	if err := json.Unmarshal(s.JSON(), &js); err != nil {
		f.Fatal(err)
	}
	oracle, err := js.Resolve(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := s.Decode(in)
		if err != nil {
			checkError(t, in, err)
		}
		if strictjson.Check(in, 64) != nil {
			if err == nil && len(bytes.TrimSpace(in)) > 0 {
				t.Fatalf("accepts %q, which is not strict JSON", in)
			}
			return
		}
		instance, exact := oracleValue(t, in)
		want := oracle.Validate(instance)
		switch {
		case err == nil && want != nil && exact:
			t.Fatalf("accepts %q, jsonschema-go says %v", in, want)
		case err != nil && want == nil && exact && !stricter(err):
			t.Fatalf("refuses %q: %v", in, err)
		}
		if err == nil {
			again, err := s.Encode(v)
			if err != nil {
				t.Fatalf("%q decodes but does not encode: %v", in, err)
			}
			if back, err := s.Decode(again); err != nil || !reflect.DeepEqual(normal(back), normal(v)) {
				t.Fatalf("%q became %s, which is %+v, not %+v: %v", in, again, back, v, err)
			}
		}
	})
}

// normal evens out what omitempty does not keep apart.
func normal(v oracleIn) oracleIn {
	if len(v.Tags) == 0 {
		v.Tags = nil
	}
	if len(v.Words) == 0 {
		v.Words = nil
	}
	if len(v.Nested.B) == 0 {
		v.Nested.B = nil
	}
	return v
}

// checkError checks what holds for each error.
func checkError(t *testing.T, in []byte, err error) {
	t.Helper()
	var e *mcperrors.Error
	if !errors.As(err, &e) || e.Code != mcperrors.Validation {
		t.Fatalf("Decode(%q) = %v, want a validation error", in, err)
	}
	problems, ok := e.Details["fields"].([]schema.Problem)
	if !ok || len(problems) == 0 || len(problems) > 32 || len(e.Message) > 64<<10 {
		t.Fatalf("Decode(%q): %d problems, %d bytes of message", in, len(problems), len(e.Message))
	}
	for _, p := range problems {
		if p.Rule == "" || p.Problem == "" || strings.ContainsAny(p.Field+p.Problem, "\x00\n") {
			t.Fatalf("Decode(%q): bad problem %+v", in, p)
		}
	}
}

// stricter reports whether only the bounds of Go types are broken.
func stricter(err error) bool {
	var e *mcperrors.Error
	errors.As(err, &e)
	for _, p := range e.Details["fields"].([]schema.Problem) {
		if p.Rule != "range" {
			return false
		}
	}
	return true
}

// oracleValue decodes in for jsonschema-go. exact is false if a number had to
// be rounded, so that the oracle sees another one.
func oracleValue(t *testing.T, in []byte) (value any, exact bool) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(in))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		t.Fatal(err)
	}
	exact = true
	var convert func(any) any
	convert = func(v any) any {
		switch v := v.(type) {
		case json.Number:
			if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
				return n
			}
			f, _ := v.Float64()
			exact = exact && len(v) < 16 && (f != 0 || !strings.ContainsAny(string(v), "123456789")) && f < 1e15 && f > -1e15
			return f
		case []any:
			for i := range v {
				v[i] = convert(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = convert(v[k])
			}
		}
		return v
	}
	return convert(value), exact
}
