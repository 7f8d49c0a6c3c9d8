package redact

import "strings"

// maxName bounds what [Name] returns, in bytes.
const maxName = 256

// Name returns a name that a caller chose, for a record: without its secrets,
// and cut where it is longer than 256 bytes.
func Name(s string) string {
	if s = String(s); len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "") + "…"
	}
	return s
}
