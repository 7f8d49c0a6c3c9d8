package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trestle-mcp/trestle/schema"
)

type mood string

type inner struct {
	Deep  float32  `json:"deep,omitempty"`
	Words []string `json:"words,omitempty"`
}

// plainIn has everything that is read without encoding/json.
type plainIn struct {
	I     int      `json:"i,omitempty"`
	I8    int8     `json:"i8,omitempty"`
	I64   int64    `json:"i64,omitempty"`
	U     uint     `json:"u,omitempty"`
	U8    uint8    `json:"u8,omitempty"`
	U64   uint64   `json:"u64,omitempty"`
	F32   float32  `json:"f32,omitempty"`
	F64   float64  `json:"f64,omitempty"`
	On    bool     `json:"on,omitempty"`
	Text  string   `json:"text,omitempty"`
	Mood  mood     `json:"mood,omitempty"`
	Opt   *int     `json:"opt,omitempty"`
	Twice **string `json:"twice,omitempty"`
	Inner inner    `json:"inner,omitzero"`
	More  []inner  `json:"more,omitempty"`
	Lists [][]int8 `json:"lists,omitempty"`
	Far   *inner   `json:"far,omitempty"`
	Bare  int
	Out   int `json:"-"`
}

var plainInputs = []string{
	`{}`, `{"i":1,"i8":-128,"i64":9223372036854775807,"u":0,"u8":255,"u64":18446744073709551615}`,
	`{"f32":1.5e3,"f64":-0.1,"on":true,"text":"a\u00e9\"\n😀\ud83d\ude00","mood":"low"}`,
	`{"opt":null,"twice":null,"far":null}`, `{"opt":7,"twice":"x","far":{"deep":1}}`,
	`{"inner":{"deep":0.25,"words":["a","b"]},"more":[{},{"words":[]},{"deep":2}],"lists":[[],[1,2],null]}`,
	`{"i":1.0,"i64":1e3,"u64":2E2}`, `{"i":-0,"f64":-0,"f32":0}`, `{"more":null,"lists":null}`, ` { "Bare" : 3 , "i" : 4 } `,
	`{"i8":1000}`, `{"f32":1e39}`, `{"f64":1e308}`, `{"text":"\ud800"}`, `{"more":[null]}`, `{"bare":1}`, `{"Out":1}`, `{"\u0069":5}`,
}

func FuzzDecode_ReadsWhatEncodingJSONReads(f *testing.F) {
	for _, in := range plainInputs {
		f.Add([]byte(in))
	}
	s := mustFor[plainIn](f, nil)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := s.Decode(in)
		if err != nil || strings.TrimSpace(string(in)) == "" {
			return
		}
		var want plainIn
		if err := json.Unmarshal(in, &want); err != nil {
			if strings.ContainsAny(string(in), ".eE") {
				return // 1.0 is an integer to the schema, and not to encoding/json
			}
			t.Fatalf("reads %q as %+v, encoding/json says %v", in, got, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", in, diff)
		}
	})
}

func TestDecode_ReadsPlainArgumentsWithoutEncodingJSON(t *testing.T) {
	if !schema.ReadsItself(mustFor[plainIn](t, nil)) {
		t.Error("encoding/json reads what is plain")
	}
	s, in := mustFor[addIn](t, nil), []byte(`{"a":1000,"b":-2000}`)
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Decode(in) }); n > 1 {
		t.Errorf("%v allocations, want that of the value", n)
	}
}

func TestDecode_LeavesTheRestToEncodingJSON(t *testing.T) {
	type embedded struct{ inner }
	type quoted struct {
		N int `json:"n,string"`
	}
	type holder struct {
		Map map[string]int `json:"map"`
	}
	for name, own := range map[string]bool{
		"a map":               schema.ReadsItself(mustFor[holder](t, nil)),
		"any":                 schema.ReadsItself(mustFor[struct{ X any }](t, nil)),
		"bytes":               schema.ReadsItself(mustFor[struct{ X []byte }](t, nil)),
		"json.RawMessage":     schema.ReadsItself(mustFor[struct{ X json.RawMessage }](t, nil)),
		"json.Number":         schema.ReadsItself(mustFor[struct{ X json.Number }](t, nil)),
		"an embedded struct":  schema.ReadsItself(mustFor[embedded](t, nil)),
		"the option string":   schema.ReadsItself(mustFor[quoted](t, nil)),
		"an array":            schema.ReadsItself(mustFor[struct{ X [2]int }](t, nil)),
		"one such in a slice": schema.ReadsItself(mustFor[struct{ X []holder }](t, nil)),
	} {
		if own {
			t.Errorf("%s is not plain", name)
		}
	}
}
