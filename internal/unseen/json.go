package unseen

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"
)

// CleanJSON returns the JSON text raw with its strings clean and hidden
// characters in the names of members shown. Numbers and all else stay to the
// letter. It returns raw itself where nothing is hidden, and never writes to it.
func CleanJSON(raw []byte) []byte {
	if isPlain(raw) {
		return raw
	}
	var out []byte
	kept := 0
	for start, end := range literals(raw) {
		if changed := cleanLiteral(raw[start:end], isName(raw[end:])); changed != nil {
			out = append(append(out, raw[kept:start]...), changed...)
			kept = end
		}
	}
	if kept == 0 {
		return raw
	}
	return append(out, raw[kept:]...)
}

// InJSON returns the first hidden character in a string of raw, if there is one.
func InJSON(raw []byte) (rune, bool) {
	for start, end := range literals(raw) {
		var text string
		if json.Unmarshal(raw[start:end], &text) == nil {
			if r, found := In(text); found {
				return r, true
			}
		}
	}
	return 0, false
}

// literals are the string literals of raw, but for those in which nothing can
// be hidden.
func literals(raw []byte) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		for end := 0; ; {
			next := bytes.IndexByte(raw[end:], '"')
			if next < 0 {
				return
			}
			start := end + next
			n, plain := literal(raw[start:])
			if end = start + n; !plain && !yield(start, end) {
				return
			}
		}
	}
}

// isPlain reports whether raw is ASCII without escapes: nothing is hidden in that.
func isPlain(raw []byte) bool {
	for _, c := range raw {
		if c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

// literal returns the length of the string literal that raw begins with, and
// whether it is ASCII without escapes: nothing is hidden in that.
func literal(raw []byte) (n int, plain bool) {
	plain = true
	for n = 1; n < len(raw); n++ {
		switch c := raw[n]; {
		case c == '"':
			return n + 1, plain
		case c == '\\':
			plain = false
			n++
		case c >= utf8.RuneSelf || c == 0x7f:
			plain = false
		}
	}
	return len(raw), plain
}

func isName(after []byte) bool {
	after = bytes.TrimLeft(after, " \t\r\n")
	return len(after) > 0 && after[0] == ':'
}

// cleanLiteral returns the literal without what is hidden, or nil if nothing is.
func cleanLiteral(literal []byte, name bool) []byte {
	var text string
	if json.Unmarshal(literal, &text) != nil {
		return nil
	}
	clean := Clean(text)
	if clean == text {
		return nil
	}
	if name {
		clean = Show(text)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(clean) //nolint:errchkjson // a string, into memory
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}
