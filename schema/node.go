package schema

import (
	"encoding/json"
	"reflect"
	"regexp"
)

// node is a schema compiled together with the Go type that takes the value. A
// nil node accepts anything.
type node struct {
	types types        // of JSON; zero: any
	gotyp reflect.Type // without pointers
	form  form
	slice bool // the Go type is a slice,
	isMap bool // or a map, not behind a pointer

	integer  bool     // Go integer: never a fraction, in range
	least    decimal  // of the Go integer
	most     decimal  //
	wide     bool     // 64 bits
	unsigned bool     //
	single   bool     // float32
	rules    rulesFor // where keywords come from

	enum     []literal
	choices  string // enum in words
	constant bool   // the enum is a const
	bounds   []bound

	minLength, maxLength *int
	pattern              *regexp.Regexp

	items              *node
	minItems, maxItems *int
	unique             bool

	object       bool
	props        []property
	index        map[string]int // into props, when they are many
	closed       bool           // no other properties
	other        *node          // for other properties
	goNames      []string       // of the struct, to tell case variants
	known        []string       // to suggest
	minimumProps *int
	maximumProps *int
	required     int // how many props are
	defaults     bool
}

type property struct {
	name     string
	node     *node
	required bool
	fallback json.RawMessage // the default, ready to be put in
}

// rulesFor maps keywords to the rules of a validate tag that they come from.
type rulesFor map[string]string

// label says which rule is broken, in the author's words first.
func (r rulesFor) label(keyword string) string {
	if raw, ok := r[keyword]; ok {
		return raw + " / " + keyword
	}
	return keyword
}

// literal is a value of enum or const.
type literal struct {
	kind  types
	text  string  // of a string
	value decimal // of a number
}

type bound struct {
	f       float64
	value   decimal
	upper   bool
	strict  bool
	keyword string
	words   string // "at least 0"
}

// types is a set of JSON types.
type types uint8

const (
	typeNull types = 1 << iota
	typeTrue       // told apart for enum
	typeFalse
	typeString
	typeInteger
	typeFraction
	typeArray
	typeObject

	typeBoolean = typeTrue | typeFalse
	typeNumber  = typeInteger | typeFraction
	typeAny     = typeNull | typeBoolean | typeString | typeNumber | typeArray | typeObject
)

var typeNames = map[string]types{
	"null": typeNull, "boolean": typeBoolean, "string": typeString, "integer": typeInteger,
	"number": typeNumber, "array": typeArray, "object": typeObject,
}

// words names the types for a sentence that says what must be.
func (t types) words() string {
	var out string
	add := func(word string) {
		if out != "" {
			out += " or "
		}
		out += word
	}
	for _, c := range []struct {
		set  types
		word string
	}{
		{typeString, "a string"},
		{typeFraction, "a number"},
		{typeBoolean, "true or false"},
		{typeArray, "an array"},
		{typeObject, "an object"},
	} {
		if c.word == "a number" && t&typeNumber == typeInteger {
			add("an integer")
		}
		if t&c.set != 0 {
			add(c.word)
		}
	}
	if t == typeNull {
		add("null")
	}
	return out
}

func (n *node) property(key []byte) int {
	if n.index != nil {
		if i, ok := n.index[string(key)]; ok {
			return i
		}
		return -1
	}
	for i := range n.props {
		if n.props[i].name == string(key) {
			return i
		}
	}
	return -1
}
