// Package unseen takes out of text what its reader does not see: control
// characters and the sequences with which they steer a terminal, characters that
// turn the direction of what follows, and those without any width, which carry
// words to a model past the people who look on.
package unseen

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns s without what is hidden:
//
//   - the control characters C0, but for tab, line feed and carriage return, DEL
//     and C1, with the whole escape sequence that one begins (ECMA-48);
//   - overrides, embeddings, isolates and marks of direction;
//   - characters without width, such as U+200B, U+FEFF, Unicode's tags and the
//     selectors of variants.
//
// Joiners and the selectors of emoji and of text stay where scripts and emoji
// have need of one: after a visible character that is not ASCII, or a digit of a
// keycap, and joiners also before one. Flags that are spelled with tags become
// plain black flags.
//
// A byte that is no UTF-8 becomes U+FFFD, as in JSON. Cleaning twice changes nothing more. It takes linear time, and allocates
// nothing where nothing is hidden.
func Clean(s string) string {
	for i := range len(s) { // nearly all that there is
		if c := s[i]; c >= 0x7f || c < ' ' && isControl(rune(c)) {
			return walk(s, true, nil)
		}
	}
	return s
}

// Show returns s with each hidden character spelled out, as <U+200B>: for names,
// of which two should not become one.
func Show(s string) string {
	return walk(s, false, func(r rune) string { return fmt.Sprintf("<U+%04X>", r) })
}

// In returns the first hidden character of s, if there is one.
func In(s string) (first rune, found bool) {
	walk(s, false, func(r rune) string {
		if !found {
			first, found = r, true
		}
		return ""
	})
	return first, found
}

// invisible are the characters that have no width or no business in text,
// whatever stands around them.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00ad, 0x00ad, 1}, // soft hyphen
		{0x034f, 0x034f, 1}, // grapheme joiner
		{0x061c, 0x061c, 1}, // Arabic letter mark
		{0x180b, 0x180f, 1}, // Mongolian selectors
		{0x200b, 0x200b, 1}, // zero width space
		{0x200e, 0x200f, 1}, // marks of direction
		{0x202a, 0x202e, 1}, // embeddings and overrides
		{0x2060, 0x206f, 1}, // word joiner, invisible operators, isolates
		{0x3164, 0x3164, 1}, // Hangul filler
		{0xfe00, 0xfe0d, 1}, // selectors, but for the two of emoji
		{0xfeff, 0xfeff, 1}, // zero width no-break space
		{0xffa0, 0xffa0, 1}, // half width Hangul filler
		{0xfff0, 0xfffb, 1}, // interlinear annotations
	},
	R32: []unicode.Range32{{0xe0000, 0xe0fff, 1}}, // tags, more selectors
}

const (
	escape          = 0x1b
	zwnj, zwj       = 0x200c, 0x200d
	asText, asEmoji = 0xfe0e, 0xfe0f
)

func isControl(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || 0x7f <= r && r <= 0x9f
}

func isSelector(r rune) bool { return r == asText || r == asEmoji }

func isJoiner(r rune) bool { return r == zwnj || r == zwj }

// isVisible says so of everything but what may be taken out.
func isVisible(r rune) bool {
	return !isControl(r) && !isJoiner(r) && !isSelector(r) && (r < 0xad || !unicode.Is(invisible, r))
}

// belongs reports whether a joiner or a selector is one that the text needs.
// last is what was kept before it, rest is what comes after it.
func belongs(r, last rune, rest string) bool {
	if isSelector(r) {
		return last > 0x7f && isVisible(last) || last >= '0' && last <= '9' || last == '#' || last == '*'
	}
	next, _ := utf8.DecodeRuneInString(rest)
	return last > 0x7f && !isJoiner(last) && next > 0x7f && isVisible(next)
}

// walk returns s with what is hidden replaced. With sequences, the rest of an
// escape sequence is hidden, too.
func walk(s string, sequences bool, replace func(rune) string) string {
	var out strings.Builder
	var last rune // that was kept
	kept := 0     // s up to here is in out, once something was replaced
	noEnd := 0    // no sequence ends before
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if r == utf8.RuneError && size == 1 { // else what was apart would become a character
			out.WriteString(s[kept:i])
			out.WriteRune(utf8.RuneError)
			last = r
			i++
			kept = i
			continue
		}
		if isVisible(r) || (isJoiner(r) || isSelector(r)) && belongs(r, last, s[i+size:]) {
			last = r
			i += size
			continue
		}
		out.WriteString(s[kept:i])
		if sequences && isControl(r) {
			size = sequence(s[i:], r, size, i, &noEnd)
		}
		if replace != nil {
			shown := replace(r)
			out.WriteString(shown)
			if shown != "" {
				last = rune(shown[len(shown)-1])
			}
		}
		i += size
		kept = i
	}
	if kept == 0 {
		return s
	}
	out.WriteString(s[kept:])
	return out.String()
}

// sequence returns how long the escape sequence is that s begins with, which is
// size where the control character r is alone.
func sequence(s string, r rune, size, at int, noEnd *int) int {
	kind := r - 0x40 // a C1 character is ESC and this
	if r == escape {
		if len(s) == 1 {
			return size
		}
		kind, size = rune(s[1]), 2
	}
	switch {
	case r == escape && kind >= 0x20 && kind <= 0x2f:
		n := size + span(s[size:], 0x20, 0x2f)
		return n + min(span(s[n:], 0x30, 0x7e), 1)
	case r != escape && r < 0x80:
		return size
	case kind == '[': // CSI
		n := size + span(s[size:], 0x30, 0x3f)
		n += span(s[n:], 0x20, 0x2f)
		return n + min(span(s[n:], 0x40, 0x7e), 1)
	case kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_': // up to a terminator
		if at+size < *noEnd {
			return size
		}
		end := strings.IndexAny(s[size:], "\a\n\x1b\u009c")
		if end < 0 || s[size+end] == '\n' {
			*noEnd = at + len(s)
			if end >= 0 {
				*noEnd = at + size + end
			}
			return size
		}
		return size + end + terminator(s[size+end:])
	case kind >= 0x30 && kind <= 0x7e:
		return size
	}
	return 1 // ESC before something that is no part of a sequence
}

// terminator returns how much of s ends a sequence: BEL, ST, and nothing of an
// ESC that begins another one.
func terminator(s string) int {
	switch {
	case s[0] == '\a':
		return 1
	case strings.HasPrefix(s, "\x1b\\"):
		return 2
	case s[0] == escape:
		return 0
	}
	return len("\u009c")
}

// span returns how many bytes at the start of s are in [low, high].
func span(s string, low, high byte) int {
	for i := range len(s) {
		if s[i] < low || s[i] > high {
			return i
		}
	}
	return len(s)
}
