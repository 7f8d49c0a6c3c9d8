package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Bounds of what goes back to the caller.
const (
	maxProblems = 32  // reported one by one
	maxEcho     = 64  // bytes of a value or name that was sent
	maxPath     = 256 // bytes of the path to a field
	maxKnown    = 512 // bytes of a list of names
)

// Problem is one thing that is wrong with a value. It encodes as JSON: the
// detail "fields" of a validation error is a []Problem.
type Problem struct {
	// Field is the path in JSON names, such as items[2].name. Empty is the
	// value as a whole.
	Field string `json:"field"`
	// Rule is the JSON schema keyword, or the rule of the validate tag.
	Rule string `json:"rule"`
	// Expected is what would do, such as "at least 0", where that is known.
	Expected string `json:"expected,omitempty"`
	// Problem is a sentence that goes on from the field's name.
	Problem string `json:"problem"`

	label string // the rule in the author's words, for the message
}

// report collects problems, the first of them whole and the rest by number.
type report struct {
	problems []Problem
	more     int
}

// full reports whether the next problem is only counted, and counts it.
func (r *report) full() bool {
	if len(r.problems) < maxProblems {
		return false
	}
	r.more++
	return true
}

func (r *report) add(at *place, p Problem) {
	if !r.full() {
		p.Field = at.String()
		r.problems = append(r.problems, p)
	}
}

// err returns the report as an error for the caller, or nil if it is empty.
func (r *report) err(cause error) error {
	n := len(r.problems) + r.more
	if n == 0 {
		return nil
	}
	// What was not sent, or is wrong, before what was sent in vain.
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return rank(a) - rank(b) })
	var text strings.Builder
	fmt.Fprintf(&text, "invalid arguments: %d problem%s", n, plural(n))
	for _, p := range r.problems {
		text.WriteString("\n- ")
		if p.Field != "" {
			text.WriteString(p.Field + ": ")
		}
		text.WriteString(p.Problem)
		if p.label != "" {
			text.WriteString(" (rule: " + p.label + ")")
		}
	}
	if r.more > 0 {
		fmt.Fprintf(&text, "\n- and %d more", r.more)
	}
	return &mcperrors.Error{
		Code: mcperrors.Validation, Message: text.String(), Cause: cause,
		Details: map[string]any{"fields": r.problems},
	}
}

func rank(p Problem) int {
	if p.Rule == "additionalProperties" {
		return 1
	}
	return 0
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// String returns the path in JSON names.
func (p *place) String() string {
	text := string(p.append(nil))
	if len(text) > maxPath {
		text = clip(text, maxPath) + "…"
	}
	return text
}

func (p *place) append(out []byte) []byte {
	if p == nil {
		return out
	}
	if out = p.outer.append(out); len(out) > maxPath {
		return out
	}
	switch p.kind {
	case placeItem:
		return append(strconv.AppendInt(append(out, '['), int64(p.index), 10), ']')
	case placeKey:
		return append(append(append(out, '['), printable(string(p.name))...), ']')
	}
	if len(out) > 0 {
		out = append(out, '.')
	}
	return append(out, printable(string(p.name))...)
}

// printable returns a name that was sent, short and with no control character
// in it, and as it is if that holds already.
func printable(name string) string {
	short := clip(name, maxEcho)
	quoted := strconv.Quote(short)
	if len(quoted) == len(short)+2 && short == name {
		return name
	}
	if short != name {
		return quoted[1:len(quoted)-1] + "…"
	}
	return quoted[1 : len(quoted)-1]
}

// clip cuts text to n bytes, between characters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// printableText returns text with control characters escaped.
func printableText(text string) string {
	quoted := strconv.Quote(text)
	if len(quoted) == len(text)+2 {
		return text
	}
	return quoted[1 : len(quoted)-1]
}
