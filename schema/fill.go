package schema

import (
	"reflect"
	"strconv"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// A filler sets to, which is settable and zero, to the value at data[i] and
// returns the offset behind it. It reports false where encoding/json has to
// decide. data has passed the walker of the same type.
//
// It stands in for encoding/json, of which it takes no more than what most
// arguments are made of.
type filler func(data []byte, i int, to reflect.Value) (end int, ok bool)

// fillerOf returns the filler of t, or nil if encoding/json reads t.
func fillerOf(t reflect.Type, open map[reflect.Type]bool) filler {
	if open[t] || (t.Kind() != reflect.Pointer && formOf(t) != formPlain) {
		return nil
	}
	open[t] = true
	defer delete(open, t)
	switch {
	case t.Kind() == reflect.String:
		return fillString
	case t.Kind() == reflect.Bool:
		return fillBool
	case isInt(t), isUint(t), isFloat(t):
		return fillNumber
	case t.Kind() == reflect.Pointer && !does(t, unmarshaler) && !does(t, textUnmarshals):
		return fillPointer(fillerOf(t.Elem(), open))
	case t.Kind() == reflect.Slice:
		return fillSlice(fillerOf(t.Elem(), open))
	case t.Kind() == reflect.Struct:
		return fillStruct(t, open)
	}
	return nil
}

func isNull(data []byte, i int) bool { return data[i] == 'n' }

func fillString(data []byte, i int, to reflect.Value) (int, bool) {
	end := strictjson.SkipValue(data, i)
	switch {
	case isNull(data, i):
	case data[i] != '"':
		return end, false
	default:
		to.SetString(string(strictjson.Unescape(data[i+1 : end-1])))
	}
	return end, true
}

func fillBool(data []byte, i int, to reflect.Value) (int, bool) {
	switch data[i] {
	case 't', 'f':
		to.SetBool(data[i] == 't')
	case 'n':
	default:
		return i, false
	}
	return strictjson.SkipValue(data, i), true
}

func fillNumber(data []byte, i int, to reflect.Value) (end int, ok bool) {
	end = strictjson.SkipValue(data, i)
	if isNull(data, i) {
		return end, true
	}
	switch text, bits := string(data[i:end]), to.Type().Bits(); { // no copy: it stays here
	case to.CanInt():
		n, err := strconv.ParseInt(text, 10, bits)
		to.SetInt(n)
		return end, err == nil
	case to.CanUint():
		n, err := strconv.ParseUint(text, 10, bits)
		to.SetUint(n)
		return end, err == nil
	default:
		n, err := strconv.ParseFloat(text, bits)
		to.SetFloat(n)
		return end, err == nil && data[i] != '"'
	}
}

func fillPointer(elem filler) filler {
	if elem == nil {
		return nil
	}
	return func(data []byte, i int, to reflect.Value) (int, bool) {
		if isNull(data, i) {
			return strictjson.SkipValue(data, i), true
		}
		made := reflect.New(to.Type().Elem())
		to.Set(made)
		return elem(data, i, made.Elem())
	}
}

func fillSlice(elem filler) filler {
	if elem == nil {
		return nil
	}
	return func(data []byte, i int, to reflect.Value) (int, bool) {
		switch data[i] {
		case 'n':
			return strictjson.SkipValue(data, i), true
		case '[':
		default:
			return i, false
		}
		to.Set(reflect.MakeSlice(to.Type(), 0, 0)) // [] is not nil
		for i = strictjson.SkipSpace(data, i+1); data[i] != ']'; {
			n := to.Len()
			if n == to.Cap() {
				to.Grow(1)
			}
			to.SetLen(n + 1)
			to.Index(n).SetZero()
			end, ok := elem(data, i, to.Index(n))
			if !ok {
				return end, false
			}
			if i = strictjson.SkipSpace(data, end); data[i] == ',' {
				i = strictjson.SkipSpace(data, i+1)
			}
		}
		return i + 1, true
	}
}

func fillStruct(t reflect.Type, open map[reflect.Type]bool) filler {
	fields := jsonFields(t)
	byName := make(map[string]int, len(fields))
	fillers := make([]filler, len(fields))
	for i, f := range fields {
		if len(f.index) != 1 || f.quoted {
			return nil
		}
		if fillers[i] = fillerOf(f.sf.Type, open); fillers[i] == nil {
			return nil
		}
		byName[f.name] = i
	}
	return func(data []byte, i int, to reflect.Value) (int, bool) {
		switch data[i] {
		case 'n':
			return strictjson.SkipValue(data, i), true
		case '{':
		default:
			return i, false
		}
		for i = strictjson.SkipSpace(data, i+1); data[i] != '}'; {
			end := strictjson.SkipValue(data, i)
			key := strictjson.Unescape(data[i+1 : end-1])
			i = strictjson.SkipSpace(data, strictjson.SkipSpace(data, end)+1)
			if at, known := byName[string(key)]; known {
				var ok bool
				if end, ok = fillers[at](data, i, to.Field(fields[at].index[0])); !ok {
					return end, false
				}
			} else {
				end = strictjson.SkipValue(data, i)
			}
			if i = strictjson.SkipSpace(data, end); data[i] == ',' {
				i = strictjson.SkipSpace(data, i+1)
			}
		}
		return i + 1, true
	}
}

// fill decodes data, in which the walker found no problem, and reports whether
// it could. What it could not is left zero.
func (c *core) fill(data []byte, to reflect.Value) bool {
	if c.filler == nil {
		return false
	}
	if _, ok := c.filler(data, strictjson.SkipSpace(data, 0), to); !ok {
		to.SetZero()
		return false
	}
	return true
}
