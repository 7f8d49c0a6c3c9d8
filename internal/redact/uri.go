package redact

import (
	"strings"
	"unicode/utf8"
)

const maxURI = 1 << 10 // of what is looked at, in bytes

// URI returns what may be told of a URI, in at most n bytes: not its user, query
// and fragment, which carry secrets by custom, nor what [String] takes out.
func URI(uri string, n int) string {
	return Clip(String(Clip(bareURI(uri), maxURI)), n)
}

func bareURI(uri string) string {
	if i := strings.IndexAny(uri, "?#"); i >= 0 {
		uri = uri[:i]
	}
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	authority, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return scheme + "://" + rest[i+1:]
	}
	return uri
}

// Clip bounds s to n bytes of valid UTF-8, with a mark where it was cut.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	s = s[:n-len(mark)]
	for i := 0; i < utf8.UTFMax && s != ""; i++ {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + mark
}
