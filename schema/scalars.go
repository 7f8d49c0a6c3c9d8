package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// fastDigits is how many digits, with a sign, an int64 and a float64 both hold.
const fastDigits = 15

func (w *walker) number(i int, n *node, at *place) int {
	end := strictjson.SkipValue(w.data, i)
	token := w.data[i:end]
	whole, plain := smallInt(token)
	if plain && n.enum == nil && (!n.integer || n.wide && (whole >= 0 || !n.unsigned)) && n.allowsAll(float64(whole)) {
		return end
	}
	d := parseDecimal(token)
	if integral := d.integral(); !integral && n.types != 0 && n.types&typeFraction == 0 {
		w.wrongType(i, n, at)
		return end
	}
	if n.integer {
		if d.compare(n.least) < 0 || d.compare(n.most) > 0 {
			w.outOfRange(i, end, n, at)
			return end
		}
		if !plain && !w.output {
			w.plainInteger(i, end, d)
		}
	}
	if n.single {
		if _, err := strconv.ParseFloat(string(token), 32); err != nil {
			w.outOfRange(i, end, n, at)
			return end
		}
	}
	if n.enum != nil && !n.hasLiteral(func(l literal) bool { return l.kind == typeNumber && l.value.compare(d) == 0 }) {
		w.choose(i, end, n, at)
	}
	for b := range n.bounds {
		if !n.bounds[b].allows(d) {
			w.outOfBounds(i, end, &n.bounds[b], n, at)
		}
	}
	return end
}

// smallInt reads an integer without point and exponent, if it is small.
func smallInt(token []byte) (value int64, ok bool) {
	digits := token
	if token[0] == '-' {
		digits = token[1:]
	}
	if len(digits) > fastDigits || token[0] == '-' && digits[0] == '0' {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		value = 10*value + int64(c-'0')
	}
	if token[0] == '-' {
		value = -value
	}
	return value, true
}

// plainInteger writes 1.0, 1e3 or -0 as encoding/json wants an integer.
func (w *walker) plainInteger(i, end int, d decimal) {
	if text := d.text(); !bytes.Equal(text, w.data[i:end]) {
		w.patch(i, end, text)
	}
}

// allowsAll is quick for values that a float64 holds exactly.
func (n *node) allowsAll(f float64) bool {
	for i := range n.bounds {
		b := &n.bounds[i]
		if f == b.f && b.strict || f < b.f && !b.upper || f > b.f && b.upper {
			return false
		}
	}
	return true
}

func (b *bound) allows(d decimal) bool {
	c := d.compare(b.value)
	if b.upper {
		c = -c
	}
	return c > 0 || c == 0 && !b.strict
}

func (w *walker) text(i int, n *node, at *place) int {
	end := strictjson.SkipValue(w.data, i)
	if n.enum == nil && n.minLength == nil && n.maxLength == nil && n.pattern == nil {
		return end
	}
	text := strictjson.Unescape(w.data[i+1 : end-1])
	if n.enum != nil && !n.hasLiteral(func(l literal) bool { return l.kind == typeString && l.text == string(text) }) {
		w.choose(i, end, n, at)
	}
	if n.minLength != nil || n.maxLength != nil {
		w.size(utf8.RuneCount(text), n.minLength, n.maxLength, "minLength", "maxLength", "character", n, at)
	}
	if n.pattern != nil && !n.pattern.Match(text) {
		w.add(at, Problem{
			Rule: "pattern", Expected: "text that matches " + n.pattern.String(),
			Problem: fmt.Sprintf("must match the pattern %s%s", n.pattern, w.got(i, end)), label: n.rules.label("pattern"),
		})
	}
	return end
}

// attempted lets a value with a reader of its own be read, when the walker
// looks for the one that fails.
func (w *walker) attempted(i, end int, n *node, at *place) int {
	if w.attempt && n.gotyp != nil && n.form != formPlain && n.gotyp.Kind() != reflect.Interface {
		if err := json.Unmarshal(w.data[i:end], reflect.New(n.gotyp).Interface()); err != nil {
			w.unreadable(i, end, n, at)
		}
	}
	return end
}
