package schema

import "strings"

// maxSuggest bounds the length of names that are compared letter by letter.
const maxSuggest = 64

// nearest returns the known name that a caller may have meant, or "".
func nearest(name string, known []string) (best string) {
	if len(name) > maxSuggest {
		return ""
	}
	least := 1 + max(1, len(name)/4) // more edits than this is another word
	for _, candidate := range known {
		switch {
		case strings.EqualFold(name, candidate):
			return candidate
		case len(candidate) > maxSuggest || len(candidate) < 2:
			continue
		}
		a, b := foldName(name), foldName(candidate)
		if d := edits(a, b); d < least {
			best, least = candidate, d
		} else if len(a) >= 3 && best == "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
			best = candidate
		}
	}
	return best
}

// foldName makes maxItems, max_items and Max-Items the same.
func foldName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// edits counts the letters to insert, remove, replace or swap with their
// neighbor, to get from a to b.
func edits(a, b string) int {
	var rows [3][maxSuggest*2 + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
