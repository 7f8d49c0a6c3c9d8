package strictjson

import (
	"fmt"
	"unicode/utf8"
)

// Kind says what is wrong with the bytes.
type Kind uint8

const (
	// Syntax: not JSON by the grammar of RFC 8259, something after the value,
	// or a number that no float64 can hold.
	Syntax Kind = iota + 1
	// Encoding: invalid UTF-8, a byte order mark, or an escaped surrogate
	// without its other half, which has no UTF-8.
	Encoding
	// Duplicate: a key appears twice in one object.
	Duplicate
	// Depth: more nested containers than allowed.
	Depth
	// Empty: no value at all.
	Empty
)

// String returns the kind in a word or two.
func (k Kind) String() string {
	switch k {
	case Syntax:
		return "syntax"
	case Encoding:
		return "encoding"
	case Duplicate:
		return "duplicate key"
	case Depth:
		return "depth"
	case Empty:
		return "empty"
	}
	return "unknown"
}

// maxEcho bounds the input that an error repeats, in bytes.
const maxEcho = 64

// Error is what [Check] has against its input. Its text repeats at most 64
// bytes of that input, escaped.
type Error struct {
	Kind   Kind
	Offset int    // of the byte at fault
	Key    string // for Duplicate: the key, unescaped, cut to 64 bytes

	text string
}

// Error returns one line for the peer that sent the input.
func (e *Error) Error() string {
	if e.Kind == Duplicate {
		return fmt.Sprintf("invalid JSON at byte %d: duplicate key %q", e.Offset, e.Key)
	}
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.text)
}

func fault(kind Kind, offset int, text string) error {
	return &Error{Kind: kind, Offset: offset, text: text}
}

// unexpected is the error for a byte that cannot stand at offset i.
func unexpected(data []byte, i int, want string) error {
	if i >= len(data) {
		return fault(Syntax, len(data), "unexpected end, want "+want)
	}
	r, n := utf8.DecodeRune(data[i:])
	if r == utf8.RuneError && n == 1 {
		return fault(Encoding, i, "invalid UTF-8")
	}
	return fault(Syntax, i, fmt.Sprintf("unexpected %q, want %s", r, want))
}

func duplicate(key []byte, offset int) error {
	if len(key) > maxEcho {
		key = key[:maxEcho]
		for n := 1; n < utf8.UTFMax && !utf8.Valid(key); n++ {
			key = key[:maxEcho-n]
		}
	}
	return &Error{Kind: Duplicate, Offset: offset, Key: string(key)}
}
