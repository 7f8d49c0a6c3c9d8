package schema

import "reflect"

// TryType builds the schema of a type that a test made at run time, and decodes
// a few values with it.
func TryType(t reflect.Type) error {
	c, err := build(t, &Options{})
	if err != nil {
		return err
	}
	for _, in := range []string{`{}`, `{"a":1,"f":null}`, `{"f":""}`, `{"f":"x"}`, `{"f":0}`, `{"f":1}`, `{"f":true}`, `{"f":[]}`, `{"f":["a"]}`, `{"f":[[1]]}`, `{"f":{}}`, `{"f":{"A":1}}`, `{"f":[{"A":1}]}`} {
		_ = c.decode([]byte(in), reflect.New(t).Interface())
	}
	return nil
}

// ReadsItself reports whether values of s are read without encoding/json.
func ReadsItself[T any](s *Schema[T]) bool { return s.filler != nil }
