package schema_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

func TestEncode_WritesNilListsAndMapsAsEmpty(t *testing.T) {
	type leaf struct {
		L []int          `json:"l"`
		M map[string]int `json:"m"`
	}
	type out struct {
		leaf
		P    *[]int            `json:"p"`
		Leaf *leaf             `json:"leaf"`
		List []leaf            `json:"list"`
		Map  map[string][]leaf `json:"map"`
		B    []byte            `json:"b"`
		Any  any               `json:"any"`
	}
	s := mustFor[out](t, nil)
	got, err := s.Encode(out{List: make([]leaf, 1), Map: map[string][]leaf{"k": nil}})
	const want = `{"l":[],"m":{},"p":null,"leaf":null,"list":[{"l":[],"m":{}}],"map":{"k":[]},"b":null,"any":null}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := mustFor[[]int](t, nil).Encode(nil); err != nil || string(got) != `[]` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := mustFor[map[string]int](t, nil).Encode(nil); err != nil || string(got) != `{}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestEncode_RefusesWhatItsSchemaDoesNotPromise(t *testing.T) {
	type out struct {
		Sum  int      `json:"sum" validate:"gte=0"`
		Mode string   `json:"mode" validate:"oneof=a b"`
		List []string `json:"list,omitempty" validate:"omitempty,max=1"`
		F    float64  `json:"f,omitempty"`
	}
	s := mustFor[out](t, nil)
	if got, err := s.Encode(out{Sum: 1, Mode: "a", F: 1e21}); err != nil || string(got) != `{"sum":1,"mode":"a","f":1e+21}` {
		t.Errorf("%s, %v", got, err)
	}
	for want, v := range map[string]out{
		"sum: must be at least 0, got -1 (and 1 more)": {Sum: -1},
		"mode: must be one of":                         {},
		"list: must have at most 1 item, got 2":        {Mode: "a", List: []string{"x", "y"}},
		"NaN":                                          {Mode: "a", F: math.NaN()},
	} {
		_, err := s.Encode(v)
		var e *mcperrors.Error
		if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, &e) {
			t.Errorf("%+v: %v, want a plain error with %s", v, err, want)
		}
	}
	judged := mustFor[given](t, override(`{"anyOf":[{"required":["a"]}]}`))
	if _, err := judged.Encode(given{B: "x"}); err == nil || !strings.Contains(err.Error(), "anyOf") {
		t.Errorf("%v", err)
	}
}
