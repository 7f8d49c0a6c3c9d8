package transport

import (
	"unicode/utf8"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// isOneLine reports whether raw is JSON that can be sent as it is: sound, and
// without the newlines that would break the framing of events.
func isOneLine(raw []byte) bool {
	for _, c := range raw {
		if c == '\n' || c == '\r' {
			return false
		}
	}
	return len(raw) > 0 && strictjson.Check(raw, maxDepth) == nil
}

const hexDigits = "0123456789abcdef"

// appendText appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, as
// encoding/json has it.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = appendEscape(append(dst, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			start = i + n
		}
		i += n
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
