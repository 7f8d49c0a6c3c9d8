package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// The problems that the walker finds, one function each, worded for the one who
// has to mend them: a model.

func (w *walker) wrongType(i int, n *node, at *place) {
	if w.full() {
		return
	}
	// encoding/json reads null into anything; only the schema's own types help.
	want := n.types
	if want != typeNull {
		want &^= typeNull
	}
	p := Problem{Rule: "type", Expected: want.words()}
	p.Problem = "must be " + p.Expected + w.got(i, strictjson.SkipValue(w.data, i))
	w.add(at, p)
}

func (w *walker) outOfRange(i, end int, n *node, at *place) {
	if w.full() {
		return
	}
	p := Problem{Rule: "range", Expected: "a number that fits " + n.gotyp.Kind().String()}
	if n.integer {
		p.Expected = fmt.Sprintf("between %s and %s", n.least.text(), n.most.text())
	}
	p.Problem = "must be " + p.Expected + w.got(i, end)
	w.add(at, p)
}

func (w *walker) outOfBounds(i, end int, b *bound, n *node, at *place) {
	if w.full() {
		return
	}
	w.add(at, Problem{
		Rule: b.keyword, Expected: b.words,
		Problem: "must be " + b.words + w.got(i, end), label: n.rules.label(b.keyword),
	})
}

func (w *walker) choose(i, end int, n *node, at *place) {
	if w.full() {
		return
	}
	keyword := "enum"
	if n.constant {
		keyword = "const"
	}
	p := Problem{Rule: keyword, Expected: "one of " + clipList(n.choices), label: n.rules.label(keyword)}
	if len(n.enum) == 1 {
		p.Expected = clipList(n.choices)
	}
	p.Problem = "must be " + p.Expected + w.got(i, end)
	w.add(at, p)
}

// size reports a length that is too small or too large.
func (w *walker) size(size int, least, most *int, leastName, mostName, unit string, n *node, at *place) {
	var keyword, want string
	switch {
	case least != nil && size < *least:
		keyword, want = leastName, count(*least, unit)
		if most != nil && *most == *least {
			want = "exactly " + want
		} else {
			want = "at least " + want
		}
	case most != nil && size > *most:
		keyword, want = mostName, "at most "+count(*most, unit)
		if least != nil && *least == *most {
			want = "exactly " + count(*most, unit)
		}
	default:
		return
	}
	if w.full() {
		return
	}
	p := Problem{Rule: keyword, Expected: want, label: n.rules.label(keyword)}
	switch {
	case size == 0 && keyword == leastName && *least == 1:
		p.Expected, p.Problem = "not empty", "must not be empty"
	case unit == "character":
		p.Problem = fmt.Sprintf("must be %s long, got %d", want, size)
	default:
		p.Problem = fmt.Sprintf("must have %s, got %d", want, size)
	}
	w.add(at, p)
}

func count(n int, unit string) string { return strconv.Itoa(n) + " " + unit + plural(n) }

func (w *walker) repeated(first, again int, n *node, at *place) {
	if w.full() {
		return
	}
	w.add(at, Problem{
		Rule: "uniqueItems", Expected: "no duplicates", label: n.rules.label("uniqueItems"),
		Problem: fmt.Sprintf("must not contain duplicates: items %d and %d are equal", first, again),
	})
}

func (w *walker) missing(name string, at *place) {
	if w.full() {
		return
	}
	here := place{outer: at, name: []byte(name), kind: placeField}
	w.add(&here, Problem{Rule: "required", Expected: "a value", Problem: "required, missing"})
}

func (w *walker) unknown(n *node, at *place) {
	if w.full() {
		return
	}
	p := Problem{Rule: "additionalProperties", Problem: "unknown argument"}
	if len(n.known) > 0 {
		p.Expected = "one of " + clipList(strings.Join(n.known, ", "))
		p.Problem += "; known are " + clipList(strings.Join(n.known, ", "))
	}
	if near := nearest(string(at.name), n.known); near != "" {
		p.Problem += "; did you mean " + strconv.Quote(near) + "?"
	}
	w.add(at, p)
}

func (w *walker) caseVariant(name string, at *place) {
	if w.full() {
		return
	}
	w.add(at, Problem{
		Rule: "additionalProperties", Expected: name,
		Problem: "unknown argument, names are case-sensitive; did you mean " + strconv.Quote(name) + "?",
	})
}

func (w *walker) unreadable(i, end int, n *node, at *place) {
	if w.full() {
		return
	}
	p := Problem{Rule: "format", Expected: "a valid " + n.gotyp.String()}
	switch n.form {
	case formTime:
		p.Expected = "a date-time like 2006-01-02T15:04:05Z"
	case formBytes:
		p.Expected = "base64"
	default: // the type's own rules, which only it knows
	}
	p.Problem = "must be " + p.Expected + w.got(i, end)
	w.add(at, p)
}

// got tells what was sent: a short scalar as it is, anything else by its kind.
func (w *walker) got(i, end int) string {
	token := w.data[i:end]
	switch {
	case len(token) == 0 || token[0] == '{' || token[0] == '[':
		if w.data[i] == '{' {
			return ", got an object"
		}
		return ", got an array"
	case token[0] == '"':
		text := strictjson.Unescape(token[1 : len(token)-1])
		if len(text) > maxEcho {
			return fmt.Sprintf(", got a string of %d characters", utf8.RuneCount(text))
		}
		return ", got " + strconv.Quote(string(text))
	case len(token) > maxEcho:
		return fmt.Sprintf(", got a number of %d digits", len(token))
	}
	return ", got " + string(token)
}

func clipList(list string) string {
	if len(list) <= maxKnown {
		return list
	}
	return clip(list, maxKnown) + "…"
}
