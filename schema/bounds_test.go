package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestDecode_ComparesWithBoundsExactly(t *testing.T) {
	bounds := override(`{"properties":{"c":{"additionalProperties":false,"properties":{` +
		`"gt":{"exclusiveMinimum":1},"ge":{"minimum":1},"lt":{"exclusiveMaximum":1},"le":{"maximum":1},` +
		`"tenth":{"minimum":0.1},"big":{"maximum":9007199254740992},"one":{"const":1}}}}}`)
	s := mustFor[given](t, bounds)
	for _, c := range []struct{ name, ok, bad string }{
		{"gt", `2 1.0000000000000000000001 1.1 1e9`, `1 1.0 10e-1 0 -5 0.9999`},
		{"ge", `1 1.0 100e-2 2 1.5`, `0 0.99999999999999999999999 -1 -1e300 1e-400`},
		{"lt", `0 0.99999999999999999999999 -1 -2.5 1e-999999999`, `1 1.0 0.01e2 2 1.00000000000000000000001`},
		{"le", `1 1.0 -7 0.5`, `2 1.00000000000000000000001 1e300`},
		{"tenth", `0.1 1e-1 0.10000000000000000000001`, `0.0999999999999999999999 0 -0.1`},
		{"big", `9007199254740992 -9007199254740993`, `9007199254740993 9007199254740992.1`},
		{"one", `1 1.0 10e-1 0.1e1`, `1.0000000000000000000001 -1 0 10`},
	} {
		for ok, numbers := range map[bool]string{true: c.ok, false: c.bad} {
			for number := range strings.FieldsSeq(numbers) {
				if _, err := s.Decode(fmt.Appendf(nil, `{"c":{%q:%s}}`, c.name, number)); (err == nil) != ok {
					t.Errorf("%s with %s: %v", c.name, number, err)
				}
			}
		}
	}
}

func TestDecode_FindsDuplicatesByValue(t *testing.T) {
	s := mustFor[given](t, override(`{"properties":{"c":{"additionalProperties":{"uniqueItems":true}}}}`))
	for in, ok := range map[string]bool{
		`[]`: true, `[1,10,100,0.1,-1,"1",true,null,[1],{"a":1}]`: true, `[1,1.0]`: false, `[100,1e2]`: false, `[0,-0]`: false,
		`["a","\u0061"]`: false, `[{"a":1,"b":2},{"b":2.0,"a":1}]`: false, `[[1,2],[2,1]]`: true, `[[1, 2],[1,2]]`: false,
		`[{"a":1},{"a":1,"b":null}]`: true, `["a,","a"]`: true, `[["a"],["a",null]]`: true, `[true,false]`: true, `[null,null]`: false,
	} {
		if _, err := s.Decode([]byte(`{"c":{"k":` + in + `}}`)); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestDecode_JudgesIntegersExactly(t *testing.T) {
	s := mustFor[given](t, override(`{"properties":{"a":{"anyOf":[{"maximum":9007199254740992}]}}}`))
	if _, err := s.Decode([]byte(`{"a":9007199254740993}`)); err == nil {
		t.Error("the judge sees a rounded integer")
	}
	if _, err := s.Decode([]byte(`{"a":9007199254740992}`)); err != nil {
		t.Error(err)
	}
}

func TestDecode_TakesLinearTimeForHostileNumbers(t *testing.T) {
	in := `{"c":{"k":[` + strings.Repeat("1e-999999,", 100_000) + strings.Repeat("7", 300) + "." + strings.Repeat("7", 1<<20) + `]}}`
	for _, text := range []string{
		`{"properties":{"c":{"additionalProperties":{"items":{"minimum":-1}}}}}`,
		`{"properties":{"c":{"additionalProperties":{"items":{"anyOf":[{"minimum":-1}]}}}}}`,
	} {
		v, err := mustFor[given](t, override(text)).Decode([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if list := v.C["k"].([]any); len(list) != 100_001 || list[0] != json.Number("1e-999999") {
			t.Errorf("%d items", len(list))
		}
	}
}
