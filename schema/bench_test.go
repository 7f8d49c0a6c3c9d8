package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trestle-mcp/trestle/schema"
)

type addIn struct {
	A int `json:"a" jsonschema:"first addend"`
	B int `json:"b" jsonschema:"second addend"`
}

type addTagged struct {
	A int `json:"a" jsonschema:"first addend" validate:"gte=0"`
	B int `json:"b" jsonschema:"second addend"`
}

func benchmarkDecode[T any](b *testing.B, data string) {
	b.Helper()
	s, err := schema.For[T](nil)
	if err != nil {
		b.Fatal(err)
	}
	in := []byte(data)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	const small = `{"a":1,"b":2}`
	b.Run("plain", func(b *testing.B) { benchmarkDecode[addIn](b, small) })
	b.Run("tagged", func(b *testing.B) { benchmarkDecode[addTagged](b, small) })
	b.Run("json.Unmarshal alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v addIn
			if err := json.Unmarshal([]byte(small), &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	// What a typed tool of go-sdk does: to a map, defaults, validate, to bytes,
	// to the struct. It loses integers beyond 2^53 on the way.
	b.Run("map and jsonschema-go", func(b *testing.B) {
		s, err := jsonschema.For[addIn](nil)
		if err != nil {
			b.Fatal(err)
		}
		resolved, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			value := map[string]any{}
			if err := json.Unmarshal([]byte(small), &value); err != nil {
				b.Fatal(err)
			}
			if err := resolved.ApplyDefaults(&value); err != nil {
				b.Fatal(err)
			}
			if err := resolved.Validate(&value); err != nil {
				b.Fatal(err)
			}
			data, err := json.Marshal(value)
			if err != nil {
				b.Fatal(err)
			}
			var v addIn
			if err := json.Unmarshal(data, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecode_Refusal(b *testing.B) {
	s, err := schema.For[addTagged](nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Decode([]byte(`{"a":-1,"c":3}`)); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	s, err := schema.For[addIn](nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Encode(addIn{1, 2}); err != nil {
			b.Fatal(err)
		}
	}
}
