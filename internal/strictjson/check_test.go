package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

func TestCheck_AcceptsExactlyOneValue(t *testing.T) {
	for _, in := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-1.5e-3`, `1E+2`, `true`, `false`, `null`, " \t\r\n{ } \n",
		`{"a":1,"b":[1,2,{"a":null}],"":{}}`, `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `"é😀"`, `"\u0000"`,
		`{"a":{"a":{"a":1}},"b":{"a":1}}`, `1e308`, `1e-400`, `9223372036854775808`,
		strings.Repeat("9", 308),
	} {
		if err := strictjson.Check([]byte(in), 64); err != nil {
			t.Errorf("Check(%.40q) = %v", in, err)
		}
	}
}

func TestCheck_RefusesAndSaysWhatAndWhere(t *testing.T) {
	for _, c := range []struct {
		in     string
		kind   strictjson.Kind
		offset int
	}{
		{``, strictjson.Empty, 0},
		{" \n", strictjson.Empty, 2},
		{"\xef\xbb\xbf{}", strictjson.Encoding, 0},
		{"{\"a\":\"\xff\"}", strictjson.Encoding, 6},
		{"\xff", strictjson.Encoding, 0},
		{"\"\xed\xa0\x80\"", strictjson.Encoding, 1},
		{`"\ud800"`, strictjson.Encoding, 1},
		{`"\udc00\ud800"`, strictjson.Encoding, 1},
		{`"\ud800\u0041"`, strictjson.Encoding, 1},
		{`"\ud800\n"`, strictjson.Encoding, 1},
		{`{"a":1,"a":2}`, strictjson.Duplicate, 7},
		{`{"a":1,"\u0061":2}`, strictjson.Duplicate, 7},
		{`[{"x":{"\u0061":1,"a":2}}]`, strictjson.Duplicate, 18},
		{`{}{}`, strictjson.Syntax, 2},
		{`{} x`, strictjson.Syntax, 3},
		{`{{{`, strictjson.Syntax, 1},
		{`{"a"}`, strictjson.Syntax, 4},
		{`{"a":1,}`, strictjson.Syntax, 7},
		{`{"a":1 "b":2}`, strictjson.Syntax, 7},
		{`{a:1}`, strictjson.Syntax, 1},
		{`[1,]`, strictjson.Syntax, 3},
		{`[1 2]`, strictjson.Syntax, 3},
		{`[`, strictjson.Syntax, 1},
		{`{"a":`, strictjson.Syntax, 5},
		{`"abc`, strictjson.Syntax, 0},
		{"\"a\nb\"", strictjson.Syntax, 2},
		{`"\x"`, strictjson.Syntax, 2},
		{`"\u12G4"`, strictjson.Syntax, 1},
		{`"\`, strictjson.Syntax, 2},
		{`"\u12`, strictjson.Syntax, 1},
		{`01`, strictjson.Syntax, 1},
		{`-`, strictjson.Syntax, 1},
		{`1.`, strictjson.Syntax, 2},
		{`.5`, strictjson.Syntax, 0},
		{`1e`, strictjson.Syntax, 2},
		{`+1`, strictjson.Syntax, 0},
		{`0x10`, strictjson.Syntax, 1},
		{`NaN`, strictjson.Syntax, 0},
		{`Infinity`, strictjson.Syntax, 0},
		{`-Infinity`, strictjson.Syntax, 1},
		{`[1e400]`, strictjson.Syntax, 1},
		{strings.Repeat("9", 400), strictjson.Syntax, 0},
		{`nul`, strictjson.Syntax, 3},
		{`True`, strictjson.Syntax, 0},
		{`/* */1`, strictjson.Syntax, 0},
		{"\u00a01", strictjson.Syntax, 0},
	} {
		err := strictjson.Check([]byte(c.in), 64)
		var e *strictjson.Error
		if !errors.As(err, &e) {
			t.Errorf("Check(%.40q) = %v, want an error", c.in, err)
			continue
		}
		if e.Kind != c.kind || e.Offset != c.offset {
			t.Errorf("Check(%.40q) = %v at %d, want %v at %d (%v)", c.in, e.Kind, e.Offset, c.kind, c.offset, e)
		}
	}
}

func TestCheck_CountsNestingNotSize(t *testing.T) {
	for _, open := range []string{"[", `{"a":`} {
		in := func(depth int) []byte {
			end := map[string]string{"[": "]", `{"a":`: "}"}[open]
			return []byte(strings.Repeat(open, depth) + "1" + strings.Repeat(end, depth))
		}
		if err := strictjson.Check(in(64), 64); err != nil {
			t.Errorf("64 levels of %s: %v", open, err)
		}
		var e *strictjson.Error
		if err := strictjson.Check(in(65), 64); !errors.As(err, &e) || e.Kind != strictjson.Depth {
			t.Errorf("65 levels of %s: %v", open, err)
		}
	}
	if err := strictjson.Check([]byte(`[[],[],[[]]]`), 3); err != nil {
		t.Errorf("siblings: %v", err)
	}
	if err := strictjson.Check([]byte(`1`), 0); err != nil {
		t.Errorf("scalar at depth 0: %v", err)
	}
	if strictjson.Check([]byte(`[]`), 0) == nil {
		t.Error("array at depth 0 accepted")
	}
	if strictjson.Check([]byte(strings.Repeat("[", 1<<22)), 64) == nil {
		t.Error("4 Mi open brackets accepted")
	}
}

func TestCheck_FindsTheDuplicateAmongManyKeys(t *testing.T) {
	for _, n := range []int{2, 15, 16, 17, 18, 32, 33, 100, 5000} {
		var b bytes.Buffer
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, `"key%d":{"key0":%d},`, i, i)
		}
		b.Truncate(b.Len() - 1)
		if err := strictjson.Check(append(b.Bytes(), '}'), 64); err != nil {
			t.Fatalf("%d keys: %v", n, err)
		}
		for _, again := range []int{0, n / 2, n - 1} {
			in := fmt.Sprintf(`%s,"\u006bey%d":1}`, b.String(), again)
			var e *strictjson.Error
			if err := strictjson.Check([]byte(in), 64); !errors.As(err, &e) || e.Key != fmt.Sprintf("key%d", again) {
				t.Fatalf("%d keys, number %d again: %v", n, again, err)
			}
		}
	}
}

func TestCheck_TakesLinearTimeForManyKeys(t *testing.T) {
	start := time.Now()
	if err := strictjson.Check(manyKeys(500_000), 64); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > time.Minute { // quadratic takes minutes
		t.Errorf("500,000 keys took %v", d)
	}
}

func TestCheck_DoesNotAllocateForSmallObjects(t *testing.T) {
	in := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}`)
	if n := testing.AllocsPerRun(100, func() { _ = strictjson.Check(in, 64) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestError_RepeatsAtMost64BytesOfInput(t *testing.T) {
	long := strings.Repeat("é", 50_000)
	err := strictjson.Check([]byte(`{"`+long+`":1,"`+long+`":2}`), 64)
	var e *strictjson.Error
	if !errors.As(err, &e) || len(e.Key) > 64 || !strings.HasPrefix(long, e.Key) || e.Key == "" {
		t.Fatalf("%v", err)
	}
	if strings.Count(e.Error(), "é") > 32 {
		t.Errorf("%v", e)
	}
	for _, in := range []string{strings.Repeat("x", 1000), `{"a":` + long, `"` + long, strings.Repeat("9", 1000)} {
		if err := strictjson.Check([]byte(in), 64); err == nil || len(err.Error()) > 150 {
			t.Errorf("Check(%.20q) = %v", in, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,"x\u0061",true,null]}`, `{"a":1,"\u0061":2}`, `"\ud83d\ude00"`, `1e400`, "\xef\xbb\xbf1",
		`[[[[]]]]`, `{"a":{"b":{}}}`, "\"\xff\"", `-0`, ` 1 `, `{"":0}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := strictjson.Check(in, 8); err != nil {
			var e *strictjson.Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(in) || e.Kind == 0 {
				t.Fatalf("Check(%q) = %#v", in, err)
			}
			return
		}
		var want any
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatalf("Check accepts %q, encoding/json says %v", in, err)
		}
		object, ok := want.(map[string]any)
		n := 0
		for key, value := range strictjson.Members(in) {
			n++
			var got any
			if err := json.Unmarshal(value, &got); err != nil {
				t.Fatalf("member %q of %q is %q: %v", key, in, value, err)
			}
			want, ok := object[string(key)]
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want)
			if !ok || !bytes.Equal(a, b) {
				t.Fatalf("member %q of %q is %s, want %s", key, in, a, b)
			}
		}
		if ok && n != len(object) {
			t.Fatalf("%d members of %q, want %d", n, in, len(object))
		}
	})
}

func manyKeys(n int) []byte {
	b := []byte{'{'}
	for i := range n {
		b = fmt.Appendf(b, `"k%d":0,`, i)
	}
	b[len(b)-1] = '}'
	return b
}

// Strings are read several bytes at a time.
func TestCheck_SeesEachByteWhereverItStands(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				text := bytes.Repeat([]byte{'a'}, length)
				text[at] = byte(c)
				data := append(append([]byte(`["`), text...), `"]`...)
				err := strictjson.Check(data, 1)
				if want := json.Valid(data) && utf8.Valid(data); (err == nil) != want {
					t.Fatalf("%q: %v, want valid %v", data, err, want)
				}
				if err == nil && strictjson.SkipValue(data, 1) != len(data)-1 {
					t.Fatalf("%q: the string ends at %d", data, strictjson.SkipValue(data, 1))
				}
			}
		}
	}
}

func TestSkipValue_EndsBehindEscapedQuotes(t *testing.T) {
	for _, text := range []string{`"\""`, `"\\"`, `"\\\""`, `"a\\\\"`, `"\"\"a"`, `""`} {
		if end := strictjson.SkipValue([]byte(text+`,"b"`), 0); end != len(text) {
			t.Errorf("%s ends at %d", text, end)
		}
	}
}
