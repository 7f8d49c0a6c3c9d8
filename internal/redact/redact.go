// Package redact takes secrets out of free text before it is logged.
//
// It knows secrets by what stands before them (a key such as password, a
// scheme such as Bearer, the user part of a URL) or by their own shape (JSON
// web tokens, PEM private keys, the prefixes of well known issuers). It is a net, not a
// proof: a secret without either goes through. It takes too much rather than
// too little, as in "invalid token: unexpected end".
package redact

import "strings"

// Mark stands where a secret was.
const Mark = "[redacted]"

// String returns s without its secrets, each replaced by [Mark]. Redacting
// twice changes nothing more. It takes linear time, and does not allocate
// where nothing is found.
func String(s string) string {
	s = privateKeys(s)
	sc := scanner{in: s}
	for sc.pos < len(s) {
		c := s[sc.pos]
		switch {
		case isWord(c):
			sc.word()
		case c == ':' && strings.HasPrefix(s[sc.pos:], "://"):
			sc.userinfo()
		default:
			sc.pos++
		}
	}
	return sc.result()
}

// A scanner goes over its text once. What it has not copied to out yet is
// in[kept:]; text without secrets is never copied.
type scanner struct {
	in        string
	pos, kept int
	out       strings.Builder

	// run and at are the end of the last run of text without blanks in
	// which userinfo looked, and the last @ in it.
	run, at int
}

// hide replaces in[from:to] and goes on behind it.
func (sc *scanner) hide(from, to int) {
	sc.out.WriteString(sc.in[sc.kept:from])
	sc.out.WriteString(Mark)
	sc.kept, sc.pos = to, to
}

func (sc *scanner) result() string {
	if sc.kept == 0 {
		return sc.in
	}
	sc.out.WriteString(sc.in[sc.kept:])
	return sc.out.String()
}

// word handles the word that starts at pos.
func (sc *scanner) word() {
	start := sc.pos
	end := span(sc.in, start, isWord)
	word := sc.in[start:end]
	if to, ok := token(sc.in, start, end); ok {
		sc.hide(start, to)
		return
	}
	if from, to, ok := keyed(sc.in, start, end); ok {
		sc.hide(from, to)
		return
	}
	if isScheme(word) {
		from := span(sc.in, end, isBlank)
		if to := span(sc.in, from, isCredential); from > end && to-from >= minCredential {
			sc.hide(from, to)
			return
		}
	}
	sc.pos = end
}

// userinfo hides what stands between :// and @. A password with an unescaped
// slash would end the authority early; it is told by a port that is no number.
func (sc *scanner) userinfo() {
	start := sc.pos + len("://")
	if start > sc.run {
		sc.run = span(sc.in, start, notBlank)
		sc.at = strings.LastIndexByte(sc.in[start:sc.run], '@') + start // start-1 if none
	}
	at, authority := sc.at, sc.in[start:max(start, sc.run)]
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
		if j := strings.LastIndexByte(authority, '@'); j >= 0 {
			at = start + j
		} else if !oddPort(authority) {
			at = -1
		}
	}
	if at > start {
		sc.hide(start, at)
		return
	}
	sc.pos = start
}

// oddPort reports whether what follows the last colon is not a port.
func oddPort(authority string) bool {
	i := strings.LastIndexByte(authority, ':')
	return i >= 0 && span(authority, i+1, isDigit) < len(authority)
}

// span returns the end of the run of bytes that starts at from and is all in set.
func span(s string, from int, set func(byte) bool) int {
	for from < len(s) && set(s[from]) {
		from++
	}
	return from
}
