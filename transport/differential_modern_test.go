package transport_test

import "strings"

// Calls that are served directly differ in these.
func init() {
	differences = append(differences,
		difference{"DESIGN 6: an error without a code is internal, and its text stays here; go-sdk sends it with code 0", func(e exchange, _, ours outcome) bool {
			return strings.Contains(e.name, `"plain"`) && isRefusal(ours, 200)
		}},
		difference{"parameters that do not decode are -32602; go-sdk calls that a header mismatch", func(e exchange, theirs, ours outcome) bool {
			return strings.Contains(e.name, "2026-07-28") && isRefusal(theirs, 400) && isRefusal(ours, 400) &&
				strings.Contains(theirs.String(), "-32020") && strings.Contains(ours.String(), "-32602")
		}},
	)
}
