package redact

import "strings"

// minCredential keeps "basic auth" and "bearer token" readable.
const minCredential = 6

// prefixes are those of well known issuers, with the least number of bytes that follow.
var prefixes = []struct {
	text string
	rest int
}{
	{"ghp_", 8}, {"gho_", 8}, {"ghu_", 8}, {"ghs_", 8}, {"ghr_", 8}, {"github_pat_", 8}, // GitHub
	{"glpat-", 8},                                                  // GitLab
	{"sk-", 16}, {"sk_live_", 8}, {"sk_test_", 8}, {"rk_live_", 8}, // OpenAI and its like, Stripe
	{"AKIA", 12}, {"ASIA", 12}, // AWS
	{"AIza", 16},                                                                                     // Google
	{"xoxa-", 8}, {"xoxb-", 8}, {"xoxp-", 8}, {"xoxr-", 8}, {"xoxs-", 8}, {"xoxe-", 8}, {"xapp-", 8}, // Slack
	{"hf_", 16}, {"npm_", 16}, {"pypi-", 16},
}

// token reports whether a secret of a known shape starts at in[start:], and
// where it ends; in[start:end] is the word there.
func token(in string, start, end int) (int, bool) {
	word := in[start:end]
	if strings.HasPrefix(word, "eyJ") { // {" in base64: a web token or a part of one
		to := span(in, start, isToken)
		for to > end && in[to-1] == '.' {
			to-- // the end of a sentence
		}
		if to-start >= 10 {
			return to, true
		}
	}
	for _, p := range prefixes {
		if len(word) >= len(p.text)+p.rest && strings.HasPrefix(word, p.text) {
			return end, true
		}
	}
	return 0, false
}

// isScheme reports whether credentials follow word.
func isScheme(word string) bool {
	return strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic")
}

const (
	pemBegin   = "-----BEGIN "
	pemPrivate = "PRIVATE KEY"
	pemEnd     = "-----END "
	pemDashes  = "-----"
)

// privateKeys hides PEM blocks of private keys; one without an end is cut to
// the end of the text.
func privateKeys(s string) string {
	var out strings.Builder
	kept, pos := 0, 0
	for {
		i := strings.Index(s[pos:], pemBegin)
		if i < 0 {
			break
		}
		start := pos + i
		pos = start + len(pemBegin)
		label := s[pos:span(s, pos, isLabel)]
		if !strings.Contains(label, pemPrivate) {
			continue
		}
		end := len(s)
		if j := strings.Index(s[pos:], pemEnd); j >= 0 {
			end = pos + j + len(pemEnd)
			end = span(s, end, isLabel)
			end += len(pemDashes)
		}
		end = min(end, len(s))
		out.WriteString(s[kept:start])
		out.WriteString(Mark)
		kept, pos = end, end
	}
	if kept == 0 {
		return s
	}
	out.WriteString(s[kept:])
	return out.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlnum(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isWord(c byte) bool  { return isAlnum(c) || c == '_' || c == '-' }
func isToken(c byte) bool { return isWord(c) || c == '.' }
func isLabel(c byte) bool { return 'A' <= c && c <= 'Z' || isDigit(c) || c == ' ' }

func isCredential(c byte) bool {
	return isToken(c) || c == '~' || c == '+' || c == '/' || c == '='
}

func isBlank(c byte) bool    { return c == ' ' || c == '\t' }
func notNewline(c byte) bool { return c != '\n' && c != '\r' }

func notBlank(c byte) bool {
	return c > ' ' && c != '"' && c != '\'' && c != '<' && c != '>' && c != '`'
}

// isBare holds for the bytes of a value without quotes.
func isBare(c byte) bool { return c > ' ' && c != '&' && c != ',' && c != ';' }
