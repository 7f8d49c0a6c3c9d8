package schema

import (
	"encoding"
	"encoding/json"
	"log/slog"
	"math/big"
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// form is how a Go type looks in JSON.
type form uint8

const (
	formPlain  form = iota // as encoding/json writes its kind
	formAny                // an interface, raw JSON, or a type that reads its own JSON
	formText               // a string, read by the type's UnmarshalText
	formTime               // a string with a date-time
	formBytes              // a string in base64
	formNumber             // json.Number: any number
	formBigInt             // big.Int: an integer of any size
)

var (
	timeType       = reflect.TypeFor[time.Time]()
	durationType   = reflect.TypeFor[time.Duration]()
	numberType     = reflect.TypeFor[json.Number]()
	bigIntType     = reflect.TypeFor[big.Int]()
	bigRatType     = reflect.TypeFor[big.Rat]()
	bigFloatType   = reflect.TypeFor[big.Float]()
	logLevelType   = reflect.TypeFor[slog.Level]()
	unmarshaler    = reflect.TypeFor[json.Unmarshaler]()
	marshaler      = reflect.TypeFor[json.Marshaler]()
	textMarshaler  = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshals = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// formOf returns the form of t, which is no pointer. jsonschema-go looks at the
// kind alone, and describes raw JSON as a list of small integers.
func formOf(t reflect.Type) form {
	switch t {
	case timeType:
		return formTime
	case numberType:
		return formNumber
	case bigIntType:
		return formBigInt
	case bigRatType, bigFloatType:
		return formText
	}
	if t == logLevelType {
		return formText // its JSON methods write text, as jsonschema-go knows
	}
	switch {
	case t.Kind() == reflect.Interface:
		return formAny
	case does(t, marshaler), does(t, unmarshaler):
		return formAny
	case does(t, textMarshaler), does(t, textUnmarshals):
		return formText
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && formOf(t.Elem()) == formPlain:
		return formBytes
	}
	return formPlain
}

func does(t, what reflect.Type) bool {
	return t.Implements(what) || reflect.PointerTo(t).Implements(what)
}

// leafSchema returns the schema of a type with nothing inside, and nil for
// structs, slices, arrays and maps in plain form.
func leafSchema(t reflect.Type) (*jsonschema.Schema, error) {
	switch formOf(t) {
	case formAny:
		return &jsonschema.Schema{}, nil
	case formText:
		return &jsonschema.Schema{Type: "string"}, nil
	case formTime:
		return &jsonschema.Schema{Type: "string", Format: "date-time"}, nil
	case formBytes:
		return &jsonschema.Schema{Types: []string{"null", "string"}, ContentEncoding: "base64"}, nil
	case formNumber:
		return &jsonschema.Schema{Type: "number"}, nil
	case formBigInt:
		return &jsonschema.Schema{Type: "integer"}, nil
	case formPlain:
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Array, reflect.Map:
		return nil, nil //nolint:nilnil // no leaf
	}
	return jsonschema.ForType(t, nil)
}
