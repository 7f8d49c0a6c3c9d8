package unseen_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trestle-mcp/trestle/internal/unseen"
)

func TestClean_TakesOutWhatIsHidden(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"plain":                  {"a\tb\r\nc ~ äöü 漢字", "a\tb\r\nc ~ äöü 漢字"},
		"C0, DEL":                {"a\x00b\x07c\x08d\x7fe\x0bf", "abcdef"},
		"C1":                     {"a\u0085b\u0080c\u008dd", "abcd"},
		"color":                  {"\x1b[31mred\x1b[0m \x1b[1;38;5;200mx\x1b[K", "red x"},
		"CSI of one character":   {"\u009b31mred\u009b0m", "red"},
		"title, BEL":             {"a\x1b]0;evil title\x07b", "ab"},
		"link, ST":               {"\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", "text"},
		"OSC and ST as C1":       {"a\u009d52;c;AAAA\u009cb", "ab"},
		"DCS, APC, PM, SOS":      {"1\x1bPq\x1b\\2\x1b_x\x1b\\3\x1b^y\x1b\\4\x1bXz\x1b\\5", "12345"},
		"charset, reset":         {"a\x1b(Bb\x1bcc\x1b7d", "abcd"},
		"without an end":         {"a\x1b]0;not a title", "a0;not a title"},
		"ends not on its line":   {"a\x1b]0;x\ny\x07", "a0;x\ny"},
		"ends in another":        {"\x1b]0;x\x1b[31mred", "red"},
		"cut off":                {"a\x1b", "a"},
		"cut off in CSI":         {"a\x1b[31", "a"},
		"ESC of ESC":             {"\x1b\x1b[31m[31mx", "[31mx"},
		"before a rune":          {"\x1bä", "ä"},
		"overrides, isolates":    {"a\u202eb\u202cc\u2066d\u2069e\u202a\u202b\u202d\u2067\u2068", "abcde"},
		"marks of direction":     {"a\u200eb\u200fc\u061cd", "abcd"},
		"zero width":             {"a\u200bb\u2060c\ufeffd\u00ade\u180ef\u2063g", "abcdefg"},
		"tags":                   {"hi\U000e0001\U000e0069\U000e0067\U000e006e\U000e007f", "hi"},
		"selectors that carry":   {"a\ufe00\U000e0100\U000e01efb", "ab"},
		"fillers":                {"a\u3164b\uffa0c", "abc"},
		"joiners that carry":     {"a\u200c\u200d\u200cb\u200d", "ab"},
		"joiners in a row":       {"ä\u200c\u200d\u200cö", "ä\u200cö"},
		"Persian":                {"می\u200cخواهم", "می\u200cخواهم"},
		"emoji joined":           {"👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥"},
		"keycap, text style":     {"1\ufe0f\u20e3 ☎\ufe0e", "1\ufe0f\u20e3 ☎\ufe0e"},
		"selector of a letter":   {"a\ufe0fb", "ab"},
		"selectors in a row":     {"☎\ufe0e\ufe0f\ufe0e", "☎\ufe0e"},
		"flag of tags":           {"🏴\U000e0067\U000e0062\U000e007f", "🏴"},
		"broken UTF-8":           {"a\xffb\x9bc", "a\ufffdb\ufffdc"},
		"joiner at a broken one": {"ä\u200d\xff", "ä\u200d\ufffd"},
	} {
		t.Run(name, func(t *testing.T) {
			got := unseen.Clean(tt.in)
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if _, found := unseen.In(tt.in); found != (strings.ToValidUTF8(tt.in, "\ufffd") != tt.want) {
				t.Errorf("In says %v", found)
			}
		})
	}
}

func TestClean_CostsNothingWhereNothingIsHidden(t *testing.T) {
	for _, s := range []string{strings.Repeat("plain text\n", 400), strings.Repeat("漢字 ❤\ufe0f\u200d🔥", 100)} {
		if n := testing.AllocsPerRun(100, func() { unseen.Clean(s) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func TestClean_TakesLinearTime(t *testing.T) {
	for _, in := range []string{"\x1b]", "\x1b]x", "\u009d", "\x1b[", "\x1bP0", "ä\u200d"} {
		// Quadratic, this takes very long.
		if out := unseen.Clean(strings.Repeat(in, 1<<20)); strings.ContainsRune(out, '\x1b') {
			t.Error("an escape is left")
		}
	}
}

func TestCleanJSON_CleansStringsAndShowsNames(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1.50,"b":[true,null,"x"]}`:                  ``,
		`{"a":"\u001b[31mred\u001b[0m","n":1e400}`:        `{"a":"red","n":1e400}`,
		`{"a": "x\u202ey", "b": 12345678901234567890}`:    `{"a": "xy", "b": 12345678901234567890}`,
		"[\"a\u200bb\", \"\\u200b\", \"\\ud83d\\ude00\"]": `["ab", "", "\ud83d\ude00"]`,
		"{\"k\u200b\" : 1, \"k\": 2}":                     `{"k<U+200B>" : 1, "k": 2}`,
		`"\b\f\n\t\r\"\\<&>"`:                             `"\n\t\r\"\\<&>"`,
		`"\n\t\r\"\\<&>"`:                                 ``,
		`"\""`:                                            ``,
		`17`:                                              ``,
		``:                                                ``,
	} {
		if want == "" {
			want = in
		}
		got := string(unseen.CleanJSON([]byte(in)))
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		if _, found := unseen.InJSON([]byte(in)); found != (in != want) {
			t.Errorf("%s: InJSON says %v", in, found)
		}
	}
}

func TestCleanJSON_CostsNothingForPlainText(t *testing.T) {
	raw := []byte(`{"a":"plain","b":[1,2,3]}`)
	if n := testing.AllocsPerRun(100, func() { unseen.CleanJSON(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"a\x1b[31mb", "\x1b]0;x\x07", "ä\u200d\u200cö", "\u009d\u009c", "☎\ufe0e\ufe0f", "\xff\x1b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean := unseen.Clean(s)
		if again := unseen.Clean(clean); again != clean {
			t.Errorf("%q is not clean: %q", clean, again)
		}
		if r, found := unseen.In(clean); found {
			t.Errorf("%q has %U", clean, r)
		}
		if utf8.ValidString(s) && !utf8.ValidString(clean) {
			t.Errorf("%q is not UTF-8 any more", clean)
		}
		raw, err := json.Marshal(map[string]any{s: []any{s, 1}})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string][]any
		if err := json.Unmarshal(unseen.CleanJSON(raw), &got); err != nil || len(got) != 1 {
			t.Fatalf("%s: %v", unseen.CleanJSON(raw), err)
		}
		for name, v := range got {
			if _, found := unseen.In(name); found || utf8.ValidString(s) && v[0] != clean {
				t.Errorf("%q: %q", name, v)
			}
		}
	})
}
