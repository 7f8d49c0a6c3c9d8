package schema_test

import (
	"encoding/json"
	"log/slog"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trestle-mcp/trestle/schema"
)

func mustFor[T any](tb testing.TB, opts *schema.Options) *schema.Schema[T] {
	tb.Helper()
	s, err := schema.For[T](opts)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// prop returns the schema of property f, the only one, without its braces.
func prop[T any](t *testing.T) (text string, required bool) {
	t.Helper()
	s := mustFor[T](t, nil)
	var top struct {
		Properties struct {
			F json.RawMessage `json:"f"`
		} `json:"properties"`
		Required []string `json:"required"`
	}
	if err := json.Unmarshal(s.JSON(), &top); err != nil {
		t.Fatal(err)
	}
	return string(top.Properties.F), len(top.Required) == 1
}

func TestFor_TranslatesRulesIntoKeywords(t *testing.T) {
	check := func(name, got string, required bool, want string, wantRequired bool) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || required != wantRequired {
			t.Errorf("%s: required %t, want %t; schema (-want +got):\n%s", name, required, wantRequired, diff)
		}
	}
	{
		got, req := prop[struct {
			F int `json:"f,omitempty" validate:"gte=0,lte=9"`
		}](t)
		check("closed range", got, req, `{"type":"integer","minimum":0,"maximum":9}`, false)
	}
	{
		got, req := prop[struct {
			F int `json:"f,omitempty" validate:"gt=0,lt=9"`
		}](t)
		check("a zero that breaks the rule makes the field required", got, req,
			`{"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":9}`, true)
	}
	{
		got, req := prop[struct {
			F int `json:"f,omitempty" validate:"omitempty,min=1"`
		}](t)
		check("omitempty and optional", got, req, `{"type":"integer","minimum":1}`, false)
	}
	{
		got, req := prop[struct {
			F int `json:"f" validate:"omitempty,min=1"`
		}](t)
		check("omitempty and always there: zero must pass", got, req,
			`{"type":"integer","description":"must be at least 1, or empty"}`, true)
	}
	{
		got, req := prop[struct {
			F string `json:"f" validate:"omitempty,oneof=a b"`
		}](t)
		check("an empty choice", got, req, `{"type":"string","enum":["a","b",""]}`, true)
	}
	{
		got, req := prop[struct {
			F string `json:"f" validate:"len=3,startswith=a.b" jsonschema:"code"`
		}](t)
		check("length and pattern", got, req, `{"type":"string","description":"code","minLength":3,"maxLength":3,"pattern":"^a\\.b"}`, true)
	}
	{
		got, req := prop[struct {
			F int8 `json:"f" validate:"oneof=-1 2"`
		}](t)
		check("integers to choose from", got, req, `{"type":"integer","enum":[-1,2],"minimum":-128,"maximum":127}`, true)
	}
	{
		got, req := prop[struct {
			F []string `json:"f,omitempty" validate:"required,min=1,unique,dive,email"`
		}](t)
		check("list", got, req, `{"type":"array","items":{"type":"string","format":"email"},"minItems":1,"uniqueItems":true}`, true)
	}
	{
		got, req := prop[struct {
			F map[string]int `json:"f,omitempty" validate:"max=2,dive,keys,lowercase,endkeys,gte=1"`
		}](t)
		check("map", got, req,
			`{"type":"object","description":"each key must be in lower case","maxProperties":2,"additionalProperties":{"type":"integer","minimum":1}}`, false)
	}
	{
		got, req := prop[struct {
			F *int `json:"f,omitempty" validate:"omitempty,gte=1"`
		}](t)
		check("pointer", got, req, `{"type":["null","integer"],"minimum":1}`, false)
	}
	{
		got, req := prop[struct {
			F *string `json:"f,omitempty" validate:"required"`
		}](t)
		check("a required pointer may point to an empty string", got, req, `{"type":"string"}`, true)
	}
	{
		got, req := prop[struct {
			F string `json:"f,omitempty" validate:"required"`
		}](t)
		check("required string", got, req, `{"type":"string","minLength":1}`, true)
	}
	{
		got, req := prop[struct {
			F bool `json:"f" validate:"required"`
		}](t)
		check("required bool", got, req, `{"type":"boolean","const":true}`, true)
	}
	{
		got, req := prop[struct {
			F int `json:"f" validate:"required,ne=5"`
		}](t)
		check("words", got, req, `{"type":"integer","description":"must not be 0; must not be 5"}`, true)
	}
	{
		got, req := prop[struct {
			F string `json:"f" validate:"ipv4|ipv6"`
		}](t)
		check("alternatives", got, req, `{"type":"string","description":"must be an IPv4 address, or must be an IPv6 address"}`, true)
	}
	{
		got, req := prop[struct {
			F time.Duration `json:"f" validate:"max=1s"`
		}](t)
		check("duration", got, req, `{"type":"integer","maximum":1000000000}`, true)
	}
	{
		got, req := prop[struct {
			F int64 `json:"f" validate:"max=9007199254740993"`
		}](t)
		check("a bound beyond float64 is loose in the schema and exact in words", got, req,
			`{"type":"integer","description":"must be at most 9007199254740993","maximum":9007199254740994}`, true)
	}
	{
		got, req := prop[struct {
			F string `json:"f" validate:"datetime=2006-01-02"`
		}](t)
		check("date", got, req, `{"type":"string","format":"date"}`, true)
	}
	{
		got, req := prop[struct {
			F float64 `json:"f" validate:"eq=1.5"`
		}](t)
		check("constant", got, req, `{"type":"number","const":1.5}`, true)
	}
	{
		got, req := prop[struct {
			F string `json:"f" validate:"isbn13"`
		}](t)
		check("a rule nobody put into words", got, req, `{"type":"string","description":"must satisfy the rule \"isbn13\""}`, true)
	}
}

func TestFor_PutsCrossFieldRulesIntoWords(t *testing.T) {
	type span struct {
		Start int    `json:"from"`
		End   int    `json:"to" jsonschema:"end of the span" validate:"gtefield=Start"`
		Why   string `json:"why,omitempty" validate:"required_if=Start 0"`
		Who   string `json:"who,omitempty" validate:"required_without=Why"`
	}
	got := map[string]string{}
	for _, f := range mustFor[span](t, nil).Fields() {
		got[f.Name] = f.Description
	}
	want := map[string]string{
		"from": "", "to": "end of the span; must be at least from",
		"why": "required if from is 0", "who": "required if any of these is missing: why",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFor_IsWhatJSONSchemaGoDerivesForPlainTypes(t *testing.T) {
	type inner struct {
		X float64 `json:"x,omitempty" jsonschema:"an x"`
		Y []int8  `json:"y"`
	}
	type base struct {
		ID string `json:"id"`
	}
	type plain struct {
		base
		B    bool             `json:"b"`
		I    int              `json:"i,omitempty" jsonschema:"a number"`
		U    uint16           `json:"u"`
		P    *string          `json:"p,omitempty"`
		S    []inner          `json:"s"`
		PS   *[]string        `json:"ps"`
		A    [3]string        `json:"a"`
		M    map[string]inner `json:"m,omitzero"`
		Any  any              `json:"any"`
		L    slog.Level       `json:"l"`
		Skip int              `json:"-"`
		low  int              //nolint:unused // shows that it is left out
		Name string
	}
	want, err := jsonschema.For[plain](nil)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := json.Marshal(want)
	if diff := cmp.Diff(string(data), string(mustFor[plain](t, nil).JSON())); diff != "" {
		t.Error(diff)
	}
}

type celsius float64

func (c celsius) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]float64{"celsius": float64(c)})
}

func (c *celsius) UnmarshalJSON(data []byte) error {
	var v struct{ Celsius float64 }
	err := json.Unmarshal(data, &v)
	*c = celsius(v.Celsius)
	return err
}

func TestSchema_KnowsTheJSONOfTypesWithTheirOwn(t *testing.T) {
	type Base struct {
		ID int `json:"id"`
	}
	type Loose struct {
		Note string `json:"note,omitempty"`
	}
	type all struct {
		Loose
		Base   `json:"base"`
		Time   time.Time       `json:"time"`
		Addr   netip.Addr      `json:"addr"`
		Raw    json.RawMessage `json:"raw"`
		Temp   celsius         `json:"temp"`
		Bytes  []byte          `json:"bytes"`
		Number json.Number     `json:"number"`
		Big    *big.Int        `json:"big"`
		Quoted int64           `json:"quoted,string"`
		Any    any             `json:"any"`
	}
	s := mustFor[all](t, nil)
	const in = `{"note":"n","base":{"id":1},"time":"2026-01-02T03:04:05Z","addr":"10.0.0.1","raw":{"a":[1,{}]},` +
		`"temp":{"celsius":36.6},"bytes":"aGk=","number":12345678901234567890.5,"big":123456789012345678901234567890,` +
		`"quoted":"-9007199254740993","any":{"n":12345678901234567890}}`
	v, err := s.Decode([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if v.Temp != 36.6 || string(v.Bytes) != "hi" || v.Quoted != -9007199254740993 || v.ID != 1 || v.Note != "n" {
		t.Errorf("%+v", v)
	}
	if n := v.Any.(map[string]any)["n"]; n != json.Number("12345678901234567890") {
		t.Errorf("any: %v (%T), want every digit", n, n)
	}
	out, err := s.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != in {
		t.Errorf("encoded: %s", out)
	}
	for field, bad := range map[string]string{
		"time": `"yesterday"`, "addr": `"10.0.0"`, "temp": `[1]`, "bytes": `"%%"`, "number": `"x"`, "big": `1.5`, "quoted": `7`,
	} {
		var members map[string]json.RawMessage
		_ = json.Unmarshal([]byte(in), &members)
		members[field] = json.RawMessage(bad)
		data, _ := json.Marshal(members)
		if _, err := s.Decode(data); err == nil || !strings.Contains(err.Error(), "\n- "+field+": must be ") {
			t.Errorf("%s = %s: %v", field, bad, err)
		}
	}
}

func TestFor_ReportsAllMistakesAtOnce(t *testing.T) {
	type inner struct {
		X int `json:"x" validate:"nosuchrule"`
	}
	type bad struct {
		A int             `json:"a" validate:"gte=x"`
		B string          `json:"b" validate:"min=5,max=3"`
		C int             `json:"c" validate:"email"`
		D chan int        `json:"d"`
		E int             `json:"e" validate:"gtefield=Nope"`
		F map[float64]int `json:"f"`
		G int             `json:"g" validate:"dive,min=1"`
		H int             `json:"h" validate:"oneof=a"`
		I []inner         `json:"i"`
		J int             `json:"j" validate:"omitempty,required"`
		K any             `json:"k" validate:"gte=1"`
		L bool            `json:"l" validate:"gte=1"`
		M string          `json:"m" validate:"required_if=A"`
		N string          `json:"n" validate:",min=1"`
		O func()          `json:"o"`
		P string          `json:"-" validate:"required"`
		Q string          `json:"q" jsonschema:""`
		R int             `json:"r"`
		S int             `json:"R"`
		T []int           `json:"t" validate:"keys,min=1,endkeys"`
		U string          `json:"u" validate:"oneof="`
	}
	_, err := schema.For[bad](nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"a: rule gte=x", "b: no value can satisfy", "c: rule email is for strings", "d: type chan int", "e: rule gtefield=Nope",
		"f: map keys of type float64", "g: dive into type int", `h: oneof=a: "a" is no int`, `i[].x: unknown rule "nosuchrule"`,
		"j: required after", "k: rule gte=1 on a field of any type", "l: rule gte=1: Bad field type", "m: rule required_if=A: want pairs",
		`n: unknown rule ""`, "o: type func()", `P: required, but json:"-"`, "q: empty jsonschema tag", `"R" and "r" differ only in case`,
		"t: ", "u: oneof=: no choice",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestFor_RefusesTypesThatContainThemselves(t *testing.T) {
	type tree struct {
		Kids []tree `json:"kids"`
	}
	if _, err := schema.For[tree](nil); err == nil || !strings.Contains(err.Error(), "contains itself") {
		t.Errorf("%v", err)
	}
	s := mustFor[tree](t, &schema.Options{JSONSchema: json.RawMessage(
		`{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#"}}},"additionalProperties":false}`)})
	if _, err := s.Decode([]byte(`{"kids":[{"kids":[{}]}]}`)); err != nil {
		t.Error(err)
	}
	if _, err := s.Decode([]byte(`{"kids":[{"kids":[{"Kids":[]}]}]}`)); err == nil {
		t.Error("accepts a case variant deep inside")
	}
}

func TestFor_NeverPanicsWhateverTheRule(t *testing.T) {
	types := []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[*uint8](), reflect.TypeFor[float32](), reflect.TypeFor[bool](),
		reflect.TypeFor[[]string](), reflect.TypeFor[map[string]int](), reflect.TypeFor[time.Time](), reflect.TypeFor[any](),
		reflect.TypeFor[struct{ A int }](), reflect.TypeFor[[]struct{ A int }](), reflect.TypeFor[[][]int](),
	}
	for _, name := range []string{
		"required", "omitempty", "omitnil", "omitzero", "isdefault", "len", "min", "max", "eq", "ne", "lt", "gte", "oneof", "noneof", "oneofci",
		"unique", "dive", "keys", "endkeys", "structonly", "nostructlevel", "-", "email", "datetime", "alpha", "numeric", "boolean",
		"eqfield", "gtecsfield", "required_if", "required_with", "excluded_unless", "skip_unless", "fieldcontains", "postcode_iso3166_alpha2_field",
		"contains", "containsrune", "port", "latitude", "validateFn", "iscolor", "country_code", "timezone", "luhn_checksum", "nosuch", "|", "a|b", "unique",
	} {
		for _, param := range []string{"", "=", "=1", "=x", "=1,dive", "=A", "=A 1", ",dive,dive,min=x", "|min=1"} {
			for _, typ := range types {
				st := reflect.StructOf([]reflect.StructField{
					{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"a,omitempty"`},
					{Name: "F", Type: typ, Tag: reflect.StructTag(`json:"f" validate:"` + name + param + `"`)},
				})
				func() {
					defer func() {
						if p := recover(); p != nil {
							t.Errorf("%s on %s: panic: %v", name+param, typ, p)
						}
					}()
					_ = schema.TryType(st)
				}()
			}
		}
	}
}
