package strictjson

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// plain marks the bytes that stand for themselves in a string and end nothing.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// allPlain reports whether the 8 bytes at i are there and plain. A byte of x
// that is less than what is subtracted from it has its highest bit set then,
// as have those beyond ASCII.
func allPlain(data []byte, i int) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	if len(data)-i < 8 {
		return false
	}
	x := binary.LittleEndian.Uint64(data[i:])
	return (x|(x-each*0x20)|((x^each*'"')-each)|((x^each*'\\')-each))&high == 0
}

// scanString checks the string that starts at i and returns the offset behind
// it, and whether it holds an escape.
func scanString(data []byte, i int) (end int, escaped bool, err error) {
	start := i
	for i++; i < len(data); {
		for allPlain(data, i) {
			i += 8
		}
		for i < len(data) && plain[data[i]] {
			i++
		}
		if i == len(data) {
			break
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1, escaped, nil
		case c == '\\':
			escaped = true
			if i, err = scanEscape(data, i); err != nil {
				return i, true, err
			}
		case c < 0x20:
			return i, escaped, fault(Syntax, i, "control character in a string")
		default:
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n == 1 {
				return i, escaped, fault(Encoding, i, "invalid UTF-8")
			}
			i += n
		}
	}
	return i, escaped, fault(Syntax, start, "string without an end")
}

// scanEscape checks the escape that starts at i, a surrogate with its other half.
func scanEscape(data []byte, i int) (int, error) {
	if i+1 >= len(data) {
		return i, unexpected(data, i+1, "an escape")
	}
	switch data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
	default:
		return i, unexpected(data, i+1, "an escape")
	}
	r, ok := hex4(data, i+2)
	if !ok {
		return i, fault(Syntax, i, "\\u wants four hexadecimal digits")
	}
	if !utf16.IsSurrogate(r) {
		return i + 6, nil
	}
	if i+7 < len(data) && data[i+6] == '\\' && data[i+7] == 'u' {
		if low, ok := hex4(data, i+8); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return i + 12, nil
		}
	}
	return i, fault(Encoding, i, "surrogate without its other half")
}

func hex4(data []byte, i int) (r rune, ok bool) {
	if i+4 > len(data) {
		return 0, false
	}
	for _, c := range data[i : i+4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Unescape returns the text of a string that [Check] accepted, given without
// its quotes. It is text itself if that holds no escape.
func Unescape(text []byte) []byte {
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return text
	}
	out := append(make([]byte, 0, len(text)), text[:i]...)
	for i < len(text) {
		if text[i] != '\\' {
			out = append(out, text[i])
			i++
			continue
		}
		if text[i+1] != 'u' {
			out = append(out, unescaped(text[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(text, i+2)
		i += 6
		if utf16.IsSurrogate(r) {
			low, _ := hex4(text, i+2)
			r = utf16.DecodeRune(r, low)
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
