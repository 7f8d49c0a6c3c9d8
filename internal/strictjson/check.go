package strictjson

import "bytes"

// Check returns nil if data is exactly one JSON value (RFC 8259), and an
// [*Error] if it is not:
//
//   - valid UTF-8 without a byte order mark, and nothing but white space around
//     the value;
//   - no key twice in an object, compared after unescaping;
//   - no escaped surrogate without its other half;
//   - at most maxDepth nested arrays and objects (zero: only a scalar);
//   - every number finite as a float64. How exactly is not looked at.
//
// It takes time linear in len(data), recurses at most maxDepth deep, and does
// not allocate unless keys are escaped or many.
func Check(data []byte, maxDepth int) error {
	s := scanner{data: data, depth: maxDepth}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return fault(Encoding, 0, "byte order mark")
	}
	i := skipSpace(data, 0)
	if i == len(data) {
		return fault(Empty, i, "no value")
	}
	i, err := s.value(i)
	if err != nil {
		return err
	}
	if i = skipSpace(data, i); i < len(data) {
		return unexpected(data, i, "nothing after the value")
	}
	return nil
}

// scanner checks one value after another. Its methods take the offset where a
// thing starts and return the offset behind it.
type scanner struct {
	data  []byte
	depth int // containers that may still be opened
}

func (s *scanner) value(i int) (int, error) {
	if i >= len(s.data) {
		return i, unexpected(s.data, i, "a value")
	}
	switch c := s.data[i]; c {
	case '{':
		return s.object(i)
	case '[':
		return s.array(i)
	case '"':
		end, _, err := scanString(s.data, i)
		return end, err
	case 't':
		return literal(s.data, i, "true")
	case 'f':
		return literal(s.data, i, "false")
	case 'n':
		return literal(s.data, i, "null")
	default:
		if c == '-' || isDigit(c) {
			return scanNumber(s.data, i)
		}
		return i, unexpected(s.data, i, "a value")
	}
}

func (s *scanner) array(i int) (_ int, err error) {
	if s.depth--; s.depth < 0 {
		return i, fault(Depth, i, "nested too deep")
	}
	defer func() { s.depth++ }()
	i = skipSpace(s.data, i+1)
	if i < len(s.data) && s.data[i] == ']' {
		return i + 1, nil
	}
	for {
		if i, err = s.value(i); err != nil {
			return i, err
		}
		i = skipSpace(s.data, i)
		switch {
		case i < len(s.data) && s.data[i] == ',':
			i = skipSpace(s.data, i+1)
		case i < len(s.data) && s.data[i] == ']':
			return i + 1, nil
		default:
			return i, unexpected(s.data, i, "',' or ']'")
		}
	}
}

func (s *scanner) object(i int) (int, error) {
	if s.depth--; s.depth < 0 {
		return i, fault(Depth, i, "nested too deep")
	}
	var seen keySet
	defer func() { s.depth++ }()
	i = skipSpace(s.data, i+1)
	if i < len(s.data) && s.data[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(s.data) || s.data[i] != '"' {
			return i, unexpected(s.data, i, "a key")
		}
		end, escaped, err := scanString(s.data, i)
		if err != nil {
			return end, err
		}
		key := s.data[i+1 : end-1]
		if escaped {
			key = Unescape(key)
		}
		if !seen.add(key) {
			return i, duplicate(key, i)
		}
		i = skipSpace(s.data, end)
		if i >= len(s.data) || s.data[i] != ':' {
			return i, unexpected(s.data, i, "':'")
		}
		if i, err = s.value(skipSpace(s.data, i+1)); err != nil {
			return i, err
		}
		i = skipSpace(s.data, i)
		switch {
		case i < len(s.data) && s.data[i] == ',':
			i = skipSpace(s.data, i+1)
		case i < len(s.data) && s.data[i] == '}':
			return i + 1, nil
		default:
			return i, unexpected(s.data, i, "',' or '}'")
		}
	}
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

func literal(data []byte, i int, word string) (int, error) {
	for n := range len(word) {
		if i+n >= len(data) || data[i+n] != word[n] {
			return i, unexpected(data, i+n, word)
		}
	}
	return i + len(word), nil
}
