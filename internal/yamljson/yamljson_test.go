package yamljson_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/internal/yamljson"
)

func convert(t *testing.T, text string, scalars bool) (out string, mistakes []string) {
	t.Helper()
	root, err := yamljson.Load([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	w := yamljson.Writer{MaxDepth: 8, ScalarKeys: scalars, Mistake: func(line int, path, text string) {
		mistakes = append(mistakes, fmt.Sprintf("%d %s: %s", line, path, text))
	}}
	return string(w.Append(nil, "", root, 0)), mistakes
}

func TestWriter_WritesWhatJSONCanSay(t *testing.T) {
	for text, want := range map[string]string{
		"b: 1\na: [x, 1.50, true, null, ~, 'no', 2026-01-02]": `{"b":1,"a":["x",1.50,true,null,null,"no","2026-01-02"]}`,
		"9007199254740993": "9007199254740993", "0x1F": "31", "+7": "7", "-0": "-0", "1e3": "1e3", "~": "null",
		`{"a": "\u00e9\n<"}`: `{"a":"é\n\u003c"}`, "a: |\n  x\n  y\n": `{"a":"x\ny\n"}`, "True": "true",
	} {
		if got, mistakes := convert(t, text, false); got != want || mistakes != nil || !json.Valid([]byte(got)) {
			t.Errorf("%q: %s, want %s; %q", text, got, want, mistakes)
		}
	}
	if got, _ := convert(t, "200: a\ntrue: b\n", true); got != `{"200":"a","true":"b"}` {
		t.Error(got)
	}
}

func TestWriter_TellsWhatJSONCannotSay(t *testing.T) {
	for text, want := range map[string]string{
		"a:\n  200: x": "2 a: a key that is no text", "a: 1\nb: 2\na: 3": "3 a: there twice", "a: &x 1": "1 a: anchors",
		"a: !!str 1": "1 a: anchors", "a: .inf": "1 a: a number that JSON does not have", "a: [[.nan]]": "1 a[0][0]: a number",
		"a: {<<: {b: 1}}": "1 a: a key that is no text", "? [x]\n: y": "1 : a key that is no text",
		strings.Repeat("[", 20) + strings.Repeat("]", 20): "nested more than 8 deep",
	} {
		got, mistakes := convert(t, text, false)
		if len(mistakes) != 1 || !strings.Contains(mistakes[0], want) || !json.Valid([]byte(got)) {
			t.Errorf("%q: %s, %q, want %s", text, got, mistakes, want)
		}
	}
}
