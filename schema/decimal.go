package schema

import (
	"bytes"
	"slices"
	"strconv"
)

// decimal is a number of any size, exactly: 0.digits × 10^exp. Its digits start
// and end with no zero; zero has none. Comparing takes time linear in the
// digits, whatever the exponent, which big.Rat cannot promise.
type decimal struct {
	negative bool
	digits   []byte
	exp      int
}

// maxExponent bounds what is added up; Check let no larger number pass, and
// smaller ones are all alike.
const maxExponent = 1 << 30

// parseDecimal reads a JSON number.
func parseDecimal(token []byte) (d decimal) {
	if token[0] == '-' {
		d.negative, token = true, token[1:]
	}
	if i := bytes.IndexAny(token, "eE"); i >= 0 {
		d.exp = exponent(token[i+1:])
		token = token[:i]
	}
	whole, fraction, _ := bytes.Cut(token, []byte{'.'})
	d.exp += len(whole)
	d.digits = whole
	if len(fraction) > 0 {
		d.digits = slices.Concat(whole, fraction)
	}
	for len(d.digits) > 0 && d.digits[0] == '0' {
		d.digits = d.digits[1:]
		d.exp--
	}
	d.digits = bytes.TrimRight(d.digits, "0")
	if len(d.digits) == 0 {
		return decimal{}
	}
	return d
}

func exponent(text []byte) int {
	negative := text[0] == '-'
	n := 0
	for _, c := range bytes.TrimLeft(text, "+-") {
		n = min(10*n+int(c-'0'), maxExponent)
	}
	if negative {
		return -n
	}
	return n
}

func decimalOf(f float64) decimal {
	// The shortest text is what the author of the schema wrote.
	return parseDecimal(strconv.AppendFloat(nil, f, 'e', -1, 64))
}

func (d decimal) integral() bool { return len(d.digits) <= max(d.exp, 0) }

// text returns an integral d, which has to be small, without point or exponent.
func (d decimal) text() []byte {
	if len(d.digits) == 0 {
		return []byte{'0'}
	}
	var out []byte
	if d.negative {
		out = append(out, '-')
	}
	out = append(out, d.digits...)
	return append(out, bytes.Repeat([]byte{'0'}, d.exp-len(d.digits))...)
}

// compare returns -1, 0 or 1 as d is less than, equal to or greater than e.
func (d decimal) compare(e decimal) int {
	if d.sign() != e.sign() {
		return sign(d.sign() - e.sign())
	}
	magnitude := sign(d.exp - e.exp)
	if magnitude == 0 || d.sign() == 0 {
		magnitude = bytes.Compare(d.digits, e.digits)
	}
	return magnitude * max(-1, d.sign())
}

func (d decimal) sign() int {
	switch {
	case len(d.digits) == 0:
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func sign(n int) int { return min(max(n, -1), 1) }
