package redact

import "strings"

// secretKeys end the names of secret values, in lower case and without - and _.
var secretKeys = []string{
	"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "secretkey",
	"privatekey", "signingkey", "encryptionkey", "credential", "credentials", "authorization", "cookie", "sessionid",
}

// wholeLine are the keys whose values have blanks, commas and semicolons.
var wholeLine = []string{"authorization", "cookie"}

// maxKey is how much of a word's end is looked at, in bytes.
const maxKey = 48

// keyed finds the value of the key in[start:end], if that names a secret and a
// value follows it.
func keyed(in string, start, end int) (from, to int, ok bool) {
	from, ok = separator(in, start, end)
	if !ok {
		return 0, 0, false
	}
	key := normal(in[max(start, end-maxKey):end])
	if !hasSuffix(key, secretKeys) {
		return 0, 0, false
	}
	from, to = value(in, from, hasSuffix(key, wholeLine))
	return from, to, to > from
}

// separator returns where the value of the key in[start:end] starts: behind = or :
// or their like, with the key quoted or not, or behind a flag's blank.
func separator(in string, start, end int) (int, bool) {
	i := quote(in, end)
	i = span(in, i, isBlank)
	switch rest := in[i:]; {
	case rest == "":
		return 0, false
	case rest[0] == '=' || rest[0] == ':':
		i++
		if i < len(in) && (in[i] == '=' || in[i] == '>') {
			i++
		}
	case len(rest) >= 3 && (strings.EqualFold(rest[:3], "%3d") || strings.EqualFold(rest[:3], "%3a")):
		i += 3
	case in[start] == '-' && i > end && rest[0] != '-':
	default:
		return 0, false
	}
	return span(in, i, isBlank), true
}

// value returns the bounds of the value at from, without its quotes.
func value(in string, from int, line bool) (int, int) {
	if open := quote(in, from); open > from {
		closing := in[from:open]
		return open, open + quoted(in[open:], closing)
	}
	if line {
		return from, span(in, from, notNewline)
	}
	to := span(in, from, isBare)
	if isScheme(in[from:to]) {
		if next := span(in, to, isBlank); next > to {
			to = span(in, next, isBare)
		}
	}
	// What closes the text around the value is not part of it.
	for to > from && strings.IndexByte("\"'`)}>", in[to-1]) >= 0 {
		to--
	}
	return from, to
}

// quote returns the end of the quote at i, which may be escaped, or i.
func quote(in string, i int) int {
	j := i
	for j < len(in) && in[j] == '\\' {
		j++
	}
	if j < len(in) && (in[j] == '"' || in[j] == '\'' || (in[j] == '`' && j == i)) {
		return j + 1
	}
	return i
}

// quoted returns the length of s up to the closing quote, or all of s. In
// a plain quotation a backslash takes the next byte with it.
func quoted(s, closing string) int {
	if len(closing) > 1 {
		if i := strings.Index(s, closing); i >= 0 {
			return i
		}
		return len(s)
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if closing != "`" {
				i++
			}
		case closing[0]:
			return i
		}
	}
	return len(s)
}

// normal returns key in lower case, without - and _ and trailing digits.
func normal(key string) string {
	var buf [maxKey]byte
	n := 0
	for i := range len(key) {
		c := key[i]
		switch {
		case c == '-' || c == '_':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		buf[n] = c
		n++
	}
	for n > 0 && isDigit(buf[n-1]) {
		n--
	}
	return string(buf[:n])
}

func hasSuffix(s string, suffixes []string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}
