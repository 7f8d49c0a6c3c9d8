package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/schema"
)

// lines returns the problems of a refusal as they stand in its message.
func lines(tb testing.TB, err error) []string {
	tb.Helper()
	var e *mcperrors.Error
	if !errors.As(err, &e) || e.Code != mcperrors.Validation {
		tb.Fatalf("%v, want a validation error", err)
	}
	all := strings.Split(e.Message, "\n- ")
	return all[1:]
}

type item struct {
	Name string `json:"name" validate:"required,max=8"`
	Qty  int    `json:"qty,omitempty" validate:"omitempty,gte=1"`
}

type order struct {
	ID    int64           `json:"id"`
	Small int8            `json:"small,omitempty"`
	Size  uint64          `json:"size,omitempty"`
	Share float32         `json:"share,omitempty"`
	Query string          `json:"query,omitempty" validate:"omitempty,min=2"`
	Items []item          `json:"items,omitempty" validate:"max=3,dive"`
	ByKey map[string]item `json:"byKey,omitempty"`
	Start int             `json:"start,omitempty"`
	End   int             `json:"end,omitempty" validate:"gtefield=Start"`
	Mail  string          `json:"mail,omitempty" validate:"omitempty,email"`
}

func TestDecode_SaysWhatIsWrongInWordsAModelCanActOn(t *testing.T) {
	s := mustFor[order](t, nil)
	for _, c := range []struct {
		in   string
		want []string
	}{
		{`{"id":"7"}`, []string{`id: must be an integer, got "7"`}},
		{`{"id":1.5}`, []string{`id: must be an integer, got 1.5`}},
		{`{"id":null}`, []string{`id: must be an integer, got null`}},
		{`{"id":{"x":1}}`, []string{`id: must be an integer, got an object`}},
		{`{}`, []string{`id: required, missing`}},
		{``, []string{`id: required, missing`}},
		{" \n", []string{`id: required, missing`}},
		{`[]`, []string{`must be an object, got an array`}},
		{`"x"`, []string{`must be an object, got "x"`}},
		{`{"id":1,"small":128}`, []string{`small: must be between -128 and 127, got 128`}},
		{`{"id":1,"size":-1}`, []string{`size: must be between 0 and 18446744073709551615, got -1`}},
		{`{"id":1,"size":18446744073709551616}`, []string{`size: must be between 0 and 18446744073709551615, got 18446744073709551616`}},
		{`{"id":9223372036854775808}`, []string{`id: must be between -9223372036854775808 and 9223372036854775807, got 9223372036854775808`}},
		{`{"id":1e19}`, []string{`id: must be between -9223372036854775808 and 9223372036854775807, got 1e19`}},
		{`{"id":9007199254740992.5}`, []string{`id: must be an integer, got 9007199254740992.5`}},
		{`{"id":1,"share":1e39}`, []string{`share: must be a number that fits float32, got 1e39`}},
		{`{"id":1,"query":"a"}`, []string{`query: must be at least 2 characters long, got 1 (rule: min=2 / minLength)`}},
		{`{"id":1,"Query":"abc"}`, []string{`Query: unknown argument; known are id, small, size, share, query, items, byKey, start, end, mail; did you mean "query"?`}},
		{`{"id":1,"qurey":"abc"}`, []string{`qurey: unknown argument; known are id, small, size, share, query, items, byKey, start, end, mail; did you mean "query"?`}},
		{`{"id":1,"zebra":1}`, []string{`zebra: unknown argument; known are id, small, size, share, query, items, byKey, start, end, mail`}},
		{`{"id":1,"items":[{"name":"a"},{"name":"","qty":0},{"NAME":"x"}]}`, []string{
			`items[1].name: must not be empty (rule: required / minLength)`,
			`items[1].qty: must be at least 1, got 0 (rule: gte=1 / minimum)`,
			`items[2].name: required, missing`,
			`items[2].NAME: unknown argument; known are name, qty; did you mean "name"?`,
		}},
		{`{"id":1,"byKey":{"k":{"name":"much too long"}}}`, []string{`byKey[k].name: must be at most 8 characters long, got 13 (rule: max=8 / maxLength)`}},
		{`{"id":1,"start":5,"end":3}`, []string{`end: must be at least start, got 3 (rule: gtefield=Start)`}},
		{`{"id":1,"mail":"nobody"}`, []string{`mail: must be an email address, got "nobody" (rule: email)`}},
		// The rest of what is sound is checked beside a wrong type, cross-field rules are not.
		{`{"id":"x","mail":"nobody","start":5,"end":3}`, []string{
			`id: must be an integer, got "x"`, `mail: must be an email address, got "nobody" (rule: email)`,
		}},
		{`{"id":1,"mail":7}`, []string{`mail: must be a string, got 7`}},
	} {
		v, err := s.Decode([]byte(c.in))
		if diff := cmp.Diff(c.want, lines(t, err)); diff != "" {
			t.Errorf("Decode(%s) (-want +got):\n%s", c.in, diff)
		}
		if !cmp.Equal(v, order{}) {
			t.Errorf("Decode(%s) returns %+v beside an error", c.in, v)
		}
		want := fmt.Sprintf("invalid arguments: %d problem", len(c.want))
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Decode(%s): %v, want %s", c.in, err, want)
		}
	}
}

func TestDecode_GivesDetailsThatAProgramCanUse(t *testing.T) {
	s := mustFor[order](t, nil)
	_, err := s.Decode([]byte(`{"id":1,"query":"a","x":1}`))
	var e *mcperrors.Error
	errors.As(err, &e)
	got, err := json.Marshal(e.Details)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"fields":[` +
		`{"field":"query","rule":"minLength","expected":"at least 2 characters","problem":"must be at least 2 characters long, got 1"},` +
		`{"field":"x","rule":"additionalProperties","expected":"one of id, small, size, share, query, items, byKey, start, end, mail",` +
		`"problem":"unknown argument; known are id, small, size, share, query, items, byKey, start, end, mail"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestDecode_TakesEveryDigitOfAnInteger(t *testing.T) {
	s := mustFor[order](t, nil)
	for in, want := range map[string]int64{
		"9223372036854775807": 9223372036854775807, "-9223372036854775808": -9223372036854775808,
		"9007199254740993": 9007199254740993, "1.0": 1, "1e3": 1000, "-0": 0, "-0.0": 0, "1.5e1": 15, "100e-2": 1,
		"9223372036854775807.000": 9223372036854775807, "922337203685477580.7e1": 9223372036854775807, "0e99": 0,
	} {
		v, err := s.Decode([]byte(`{"id":` + in + `,"size":18446744073709551615}`))
		if err != nil || v.ID != want || v.Size != 18446744073709551615 {
			t.Errorf("%s: %d, %d, %v", in, v.ID, v.Size, err)
		}
	}
}

func TestDecode_RefusesWhatParsersReadDifferently(t *testing.T) {
	s := mustFor[order](t, nil)
	for _, in := range []string{
		`{"id":1,"id":2}`, `{"id":1,"\u0069d":2}`, `{"id":1}{}`, `{"id":1} x`, "\xef\xbb\xbf{\"id\":1}", "{\"id\":1,\"query\":\"\xff\xff\"}",
		`{"id":1e400}`, `{"id":NaN}`, `{"id":1,}`, `{"id":1,"query":"\ud800a"}`,
		`{"id":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
	} {
		_, err := s.Decode([]byte(in))
		if mcperrors.CodeOf(err) != mcperrors.Validation || !strings.Contains(err.Error(), "invalid JSON") {
			t.Errorf("Decode(%.60q): %v", in, err)
		}
	}
}

func TestDecode_NeverEchoesWhatIsLargeOrNested(t *testing.T) {
	type in struct {
		N    int               `json:"n,omitempty"`
		S    string            `json:"s,omitempty" validate:"omitempty,max=3"`
		Mail string            `json:"mail,omitempty" validate:"omitempty,email"`
		M    map[string]int    `json:"m,omitempty"`
		A    map[string]string `json:"a,omitempty" validate:"omitempty,dive,max=2"`
	}
	s := mustFor[in](t, nil)
	long := strings.Repeat("secret", 10_000)
	for _, data := range []string{
		`{"n":"` + long + `"}`, `{"n":["` + long + `"]}`, `{"n":{"` + long + `":1}}`, `{"` + long + `":1}`, `{"s":"` + long + `"}`,
		`{"mail":"` + long + `"}`, `{"m":{"` + long + `":"x"}}`, `{"a":{"` + long + `":"long"}}`, `{"n":` + strings.Repeat("1", 300) + `}`,
		`{"` + long + `":1,"` + long + `":2}`, `"` + long + `"`,
	} {
		_, err := s.Decode([]byte(data))
		var e *mcperrors.Error
		if !errors.As(err, &e) {
			t.Fatalf("%.40s: %v", data, err)
		}
		details, _ := json.Marshal(e.Details)
		if n := len(e.Message) + len(details); n > 1500 || strings.Count(e.Message, "secret") > 12 {
			t.Errorf("%.40s: %d bytes come back: %.200s", data, n, e.Message)
		}
	}
	_, err := s.Decode([]byte(`{"n":"a\u0000\n\u202eb"}`))
	if got := lines(t, err); got[0] != `n: must be an integer, got "a\x00\n\u202eb"` {
		t.Errorf("%q", got)
	}
}

func TestDecode_ReportsAtMost32AndCountsTheRest(t *testing.T) {
	type in struct {
		N []int `json:"n"`
	}
	s := mustFor[in](t, nil)
	_, err := s.Decode([]byte(`{"n":[` + strings.Repeat(`"x",`, 99) + `"x"]}`))
	got := lines(t, err)
	if len(got) != 33 || got[32] != "and 68 more" || !strings.Contains(err.Error(), "100 problems") {
		t.Errorf("%d lines, last %q: %.80s", len(got), got[len(got)-1], err)
	}
}

func TestDecode_RefusesCaseVariantsInNestedAndOpenObjects(t *testing.T) {
	type leaf struct {
		Value int `json:"value,omitempty"`
	}
	type in struct {
		Leaf *leaf            `json:"leaf,omitempty"`
		List []leaf           `json:"list,omitempty"`
		Map  map[string]*leaf `json:"map,omitempty"`
	}
	open := &schema.Options{JSONSchema: json.RawMessage(`{"type":"object"}`)}
	for name, opts := range map[string]*schema.Options{"derived": nil, "open": open} {
		s := mustFor[in](t, opts)
		for _, data := range []string{
			`{"LEAF":{}}`, `{"leaf":{"Value":1}}`, `{"list":[{"value":1},{"VALUE":2}]}`, `{"map":{"k":{"valuE":1}}}`, `{"li\u017ft":[]}`,
		} {
			_, err := s.Decode([]byte(data))
			if err == nil || !strings.Contains(err.Error(), "did you mean") {
				t.Errorf("%s: Decode(%s): %v", name, data, err)
			}
		}
		if _, err := s.Decode([]byte(`{"map":{"k":null,"K":{"value":1}}}`)); err != nil {
			t.Errorf("%s: keys of a map are data: %v", name, err)
		}
	}
}

func TestDecode_AppliesRulesInsideListsWithoutDive(t *testing.T) {
	type span struct {
		Start int `json:"start"`
		End   int `json:"end" validate:"gtefield=Start"`
	}
	type in struct {
		Spans []span              `json:"spans,omitempty" validate:"max=3"`
		Grid  [][]span            `json:"grid,omitempty" validate:"dive"`
		ByKey *map[string]*[]span `json:"byKey,omitempty"`
	}
	s := mustFor[in](t, nil)
	for data, want := range map[string]string{
		`{"spans":[{"start":1,"end":2},{"start":2,"end":1}]}`: "spans[1].end: must be at least start, got 1 (rule: gtefield=Start)",
		`{"grid":[[],[{"start":2,"end":1}]]}`:                 "grid[1][0].end: must be at least start, got 1 (rule: gtefield=Start)",
		`{"byKey":{"k":[{"start":2,"end":1}]}}`:               "byKey[k][0].end: must be at least start, got 1 (rule: gtefield=Start)",
	} {
		_, err := s.Decode([]byte(data))
		if diff := cmp.Diff([]string{want}, lines(t, err)); diff != "" {
			t.Errorf("%s:\n%s", data, diff)
		}
	}
	for _, data := range []string{`{}`, `{"byKey":null,"spans":null}`, `{"byKey":{"k":null}}`} {
		if _, err := s.Decode([]byte(data)); err != nil {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestDecode_ReadsEmbeddedFieldsByTheRulesOfEncodingJSON(t *testing.T) {
	type Inner struct {
		A int `json:"a,omitempty" validate:"lte=5"`
		B int `json:"b,omitempty"`
	}
	type Other struct {
		B string `json:"b,omitempty"`
		C int    `json:"c,omitempty" validate:"ltefield=D"`
		D int    `json:"d,omitempty"`
	}
	type in struct {
		Inner
		*Other
		C string `json:"c,omitempty" validate:"omitempty,uppercase"`
	}
	s := mustFor[in](t, nil)
	var names []string
	for _, f := range s.Fields() {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"a", "d", "c"}, names); diff != "" { // b is ambiguous, Other's c is hidden
		t.Error(diff)
	}
	v, err := s.Decode([]byte(`{"a":1,"d":2,"c":"X"}`))
	if err != nil || v.A != 1 || v.D != 2 || v.C != "X" {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = s.Decode([]byte(`{"a":6,"c":"x"}`))
	if diff := cmp.Diff([]string{"a: must be at most 5, got 6 (rule: lte=5 / maximum)", `c: must be in lower case`}, lines(t, err), cmpopts.IgnoreSliceElements(func(s string) bool { return strings.HasPrefix(s, "c: ") })); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(err.Error(), `c: must be in upper case, got "x" (rule: uppercase)`) {
		t.Error(err)
	}
}

func TestDecode_WorksForTypesThatAreNoStruct(t *testing.T) {
	if v, err := mustFor[map[string]int](t, nil).Decode(nil); err != nil || v == nil || len(v) != 0 {
		t.Errorf("map: %v, %v", v, err)
	}
	if v, err := mustFor[[]item](t, nil).Decode([]byte(`[{"name":"a"}]`)); err != nil || v[0].Name != "a" {
		t.Errorf("list: %v, %v", v, err)
	}
	_, err := mustFor[map[string]order](t, nil).Decode([]byte(`{"k":{"id":1,"mail":"x"}}`))
	if got := lines(t, err); got[0] != `[k].mail: must be an email address, got "x" (rule: email)` {
		t.Errorf("%q", got)
	}
	if v, err := mustFor[any](t, nil).Decode([]byte(`12345678901234567890`)); err != nil || v != json.Number("12345678901234567890") {
		t.Errorf("any: %v, %v", v, err)
	}
	if v, err := mustFor[*item](t, nil).Decode([]byte(`{"name":"a"}`)); err != nil || v.Name != "a" {
		t.Errorf("pointer: %v, %v", v, err)
	}
	if v, err := mustFor[*item](t, nil).Decode([]byte(`null`)); err != nil || v != nil {
		t.Errorf("null: %v, %v", v, err)
	}
}

func TestDecode_IsSafeForConcurrentUse(t *testing.T) {
	s := mustFor[order](t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				id := int64(i)
				v, err := s.Decode(fmt.Appendf(nil, `{"id":%d,"items":[{"name":"n%d"}]}`, id, i))
				if err != nil || v.ID != id || v.Items[0].Name != fmt.Sprint("n", i) {
					t.Errorf("%+v, %v", v, err)
				}
				if _, err := s.Decode([]byte(`{"id":1,"start":2,"end":1,"mail":"x"}`)); len(strings.Split(err.Error(), "\n")) != 3 {
					t.Error(err)
				}
				if _, err := s.Encode(v); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestDecode_IsCheapForSmallInput(t *testing.T) {
	s := mustFor[addIn](t, nil)
	data := []byte(`{"a":1,"b":2}`)
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Decode(data) }); n > 8 {
		t.Errorf("%v allocations", n)
	}
}
