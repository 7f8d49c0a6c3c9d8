package schema

import (
	"encoding/json"
	"slices"
)

// patch is a change to the bytes: what is between start and end becomes text.
type patch struct {
	start, end int
	text       []byte
}

func (w *walker) patch(start, end int, text []byte) {
	w.patches = append(w.patches, patch{start, end, text})
}

// insert puts a member at the start of an object.
func (w *walker) insert(at int, name string, value json.RawMessage, last bool) {
	text, _ := json.Marshal(name) //nolint:errchkjson // a string
	text = append(append(text, ':'), value...)
	if !last {
		text = append(text, ',')
	}
	// Of patches at one place the last comes out first, so that the one
	// without a comma, which comes first, stands last.
	w.patches = slices.Insert(w.patches, 0, patch{at, at, text})
}

// patched returns the data with all patches, and the data itself without any.
func (w *walker) patched() []byte {
	if len(w.patches) == 0 {
		return w.data
	}
	slices.SortStableFunc(w.patches, func(a, b patch) int { return a.start - b.start })
	out := make([]byte, 0, len(w.data)+16*len(w.patches))
	done := 0
	for _, p := range w.patches {
		out = append(append(out, w.data[done:p.start]...), p.text...)
		done = p.end
	}
	return append(out, w.data[done:]...)
}
