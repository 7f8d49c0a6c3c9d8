package schema_test

import (
	"fmt"

	"github.com/trestle-mcp/trestle/schema"
)

func ExampleFor() {
	type search struct {
		Query string `json:"query" jsonschema:"what to look for" validate:"required,max=200"`
		Limit int    `json:"limit,omitempty" jsonschema:"how many" validate:"omitempty,gte=1,lte=50"`
		Sort  string `json:"sort,omitempty" validate:"omitempty,oneof=date rank"`
	}
	s, err := schema.For[search](nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(s.JSON()))
	// Output:
	// {"type":"object","properties":{"query":{"type":"string","description":"what to look for","minLength":1,"maxLength":200},"limit":{"type":"integer","description":"how many","minimum":1,"maximum":50},"sort":{"type":"string","enum":["date","rank"]}},"required":["query"],"additionalProperties":false}
}

func ExampleSchema_Decode() {
	type add struct {
		A int `json:"a" validate:"gte=0"`
		B int `json:"b"`
	}
	s, _ := schema.For[add](nil)
	v, err := s.Decode([]byte(`{"a": 9007199254740993, "b": 1e3}`))
	fmt.Println(v, err)

	_, err = s.Decode([]byte(`{"a": -1, "c": 2}`))
	fmt.Println(err)
	// Output:
	// {9007199254740993 1000} <nil>
	// validation: invalid arguments: 3 problems
	// - a: must be at least 0, got -1 (rule: gte=0 / minimum)
	// - b: required, missing
	// - c: unknown argument; known are a, b
}

func ExampleSchema_DecodeText() {
	type page struct {
		Topic string `json:"topic"`
		Size  int    `json:"size,omitempty" validate:"omitempty,lte=100"`
	}
	s, _ := schema.For[page](nil)
	fmt.Println(s.DecodeText(map[string]string{"topic": "7", "size": "20"}))
	// Output: {7 20} <nil>
}
