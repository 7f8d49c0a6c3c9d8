package strictjson

import (
	"bytes"
	"iter"
)

// Members walks the members of an object that [Check] accepted, in the order
// they are written, and decodes nothing: a value is its bytes, a key is
// unescaped. Both are parts of data where they can be, and must not be changed.
//
// White space may surround the object. There are no members if data is another
// value. For data that Check did not accept the walk ends somewhere.
func Members(data []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		i := skipSpace(data, 0)
		if i >= len(data) || data[i] != '{' {
			return
		}
		for i = skipSpace(data, i+1); i < len(data) && data[i] == '"'; {
			end := SkipValue(data, i)
			key := Unescape(data[i+1 : max(i+1, end-1)])
			start := skipSpace(data, skipSpace(data, end)+1)
			if start >= len(data) {
				return
			}
			end = SkipValue(data, start)
			if end <= start || !yield(key, data[start:end]) {
				return
			}
			if i = skipSpace(data, end); i < len(data) && data[i] == ',' {
				i = skipSpace(data, i+1)
			}
		}
	}
}

// SkipSpace returns the offset of the first byte from i on that is not white
// space.
func SkipSpace(data []byte, i int) int { return skipSpace(data, i) }

// SkipValue returns the offset behind the value that starts at i, in data that
// [Check] accepted. It never returns more than len(data).
func SkipValue(data []byte, i int) int {
	if i >= len(data) {
		return len(data)
	}
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		return skipContainer(data, i)
	}
	for i < len(data) {
		switch data[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
	return i
}

func skipString(data []byte, i int) int {
	// A quote that no backslash precedes is the end, and nearly always the first.
	n := bytes.IndexByte(data[i+1:], '"')
	if n < 0 {
		return len(data)
	}
	if end := i + 1 + n; data[end-1] != '\\' {
		return end + 1
	}
	for i++; i < len(data); i++ {
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(data)
}

func skipContainer(data []byte, i int) int {
	for depth := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(data)
}
