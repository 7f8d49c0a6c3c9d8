package auth

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// claimsDepth bounds how deep claims nest.
const claimsDepth = 16

// decodeClaims reads a JSON object that every parser reads alike. Numbers stay
// json.Number: an account number beyond 2^53 is somebody else's when rounded.
func decodeClaims(data []byte) (map[string]any, error) {
	if err := strictjson.Check(data, claimsDepth); err != nil {
		return nil, err
	}
	var claims map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&claims); err != nil {
		return nil, err
	}
	return claims, nil
}

// cloneClaims copies what JSON can hold, so that what one call changes another
// does not see. Other values are shared.
func cloneClaims(claims map[string]any) map[string]any {
	if claims == nil {
		return nil
	}
	clone := maps.Clone(claims)
	for name, v := range clone {
		switch v.(type) { // few are more than a scalar
		case map[string]any, []any, []string:
			clone[name] = cloneValue(v)
		}
	}
	return clone
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneClaims(v)
	case []any:
		clone := make([]any, len(v))
		for i, e := range v {
			clone[i] = cloneValue(e)
		}
		return clone
	case []string:
		return slices.Clone(v)
	}
	return v
}

// lookUp returns the claim of that name; a name that starts with "/" is a JSON
// pointer (RFC 6901) through objects. It returns nil where there is none.
func lookUp(claims map[string]any, name string) any {
	path, isPointer := strings.CutPrefix(name, "/")
	if !isPointer {
		return claims[name]
	}
	var v any = claims
	for step := range strings.SplitSeq(path, "/") {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[unescapePointer.Replace(step)]
	}
	return v
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// stringList is a claim that is a string or a list of strings. It is nil for
// anything else: half a list is not what the issuer said.
func stringList(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return slices.Clone(v)
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil
			}
			list[i] = s
		}
		return list
	}
	return nil
}

// scopesOf are the scopes in scope (RFC 8693), or in scp, as some issuers call
// it: a string with blanks between, or a list.
func scopesOf(claims map[string]any) []string {
	v, ok := claims["scope"]
	if !ok {
		v = claims["scp"]
	}
	if s, ok := v.(string); ok {
		return strings.Fields(s)
	}
	return stringList(v)
}

// numericDate is a claim in seconds since 1970. ok is false for one that is
// there and is not a date up to the year 9999; zero for one that is not there.
func numericDate(claims map[string]any, name string) (t time.Time, ok bool) {
	v, there := claims[name]
	if !there {
		return time.Time{}, true
	}
	n, isNumber := v.(json.Number)
	if !isNumber {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(n.String(), 64)
	const year9999 = 253402300799
	if err != nil || seconds <= 0 || seconds > year9999 {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*float64(time.Second))), true
}
