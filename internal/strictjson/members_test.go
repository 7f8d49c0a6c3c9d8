package strictjson_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

func TestMembers_GivesKeysUnescapedAndValuesAsBytes(t *testing.T) {
	in := " { \"a\" : 1 , \"\\u0062\\n\\ud83d\\ude00\":[1,{\"x\":\"]}\\\"\"}] ,\"\":\"\\\\\",\"d\":{},\"e\":-1.5e3 } "
	want := [][2]string{{"a", "1"}, {"b\n😀", `[1,{"x":"]}\""}]`}, {"", `"\\"`}, {"d", "{}"}, {"e", "-1.5e3"}}
	if err := strictjson.Check([]byte(in), 64); err != nil {
		t.Fatal(err)
	}
	i := 0
	for key, value := range strictjson.Members([]byte(in)) {
		if i == len(want) || string(key) != want[i][0] || string(value) != want[i][1] {
			t.Fatalf("member %d: %q = %q", i, key, value)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d members, want %d", i, len(want))
	}
}

func TestMembers_OfOtherValuesAndBrokenDataEnd(t *testing.T) {
	for _, in := range []string{``, ` `, `[]`, `1`, `{}`, `{"a`, `{"a"`, `{"a":`, `{"`, `{"a":}`, `{,`} {
		for key, value := range strictjson.Members([]byte(in)) {
			t.Errorf("Members(%q) gives %q = %q", in, key, value)
		}
	}
}

func TestMembers_StopsWhenTold(t *testing.T) {
	n := 0
	for range strictjson.Members([]byte(`{"a":1,"b":2,"c":3}`)) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d members", n)
	}
}

func TestMembers_DoesNotAllocateWithoutEscapes(t *testing.T) {
	in := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}`)
	found := false
	if n := testing.AllocsPerRun(100, func() {
		for key, value := range strictjson.Members(in) {
			found = found || string(key) == "params" && len(value) > 0
		}
	}); n != 0 || !found {
		t.Errorf("%v allocations, found %t", n, found)
	}
}

func ExampleCheck() {
	err := strictjson.Check([]byte(`{"role":"user","\u0072ole":"admin"}`), 64)
	fmt.Println(err)

	var e *strictjson.Error
	fmt.Println(errors.As(err, &e) && e.Kind == strictjson.Duplicate)
	// Output:
	// invalid JSON at byte 15: duplicate key "role"
	// true
}

func ExampleMembers() {
	for key, value := range strictjson.Members([]byte(`{"id": 7, "params": {"name": "add"}}`)) {
		fmt.Printf("%s = %s\n", key, value)
	}
	// Output:
	// id = 7
	// params = {"name": "add"}
}

func TestKind_HasAWord(t *testing.T) {
	for k := strictjson.Syntax; k <= strictjson.Empty; k++ {
		if strings.Contains(k.String(), "unknown") {
			t.Errorf("kind %d has no word", k)
		}
	}
}
