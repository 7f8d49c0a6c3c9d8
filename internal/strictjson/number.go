package strictjson

import "strconv"

// finiteDigits is how many digits before the point are below the largest
// float64, whatever they are.
const finiteDigits = 308

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// scanNumber checks the number that starts at i and returns the offset behind it.
func scanNumber(data []byte, i int) (int, error) {
	start := i
	if data[i] == '-' {
		i++
	}
	whole := i
	switch {
	case i < len(data) && data[i] == '0':
		i++
	case i < len(data) && isDigit(data[i]):
		i = skipDigits(data, i)
	default:
		return i, unexpected(data, i, "a digit")
	}
	risky := i-whole > finiteDigits
	if i < len(data) && data[i] == '.' {
		first := i + 1
		if i = skipDigits(data, first); i == first {
			return i, unexpected(data, i, "a digit")
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		risky = true
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		first := i
		if i = skipDigits(data, first); i == first {
			return i, unexpected(data, i, "a digit")
		}
	}
	if risky {
		if _, err := strconv.ParseFloat(string(data[start:i]), 64); err != nil {
			return start, fault(Syntax, start, "number out of range")
		}
	}
	return i, nil
}

func skipDigits(data []byte, i int) int {
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	return i
}
