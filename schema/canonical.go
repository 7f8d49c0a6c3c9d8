package schema

import (
	"slices"
	"strconv"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// appendCanonical appends a text that is the same for values that JSON schema
// calls equal, and for no others: 1 and 1.0, members in any order.
func appendCanonical(out, data []byte) []byte {
	switch data[0] {
	case '"':
		return strconv.AppendQuote(out, string(strictjson.Unescape(data[1:len(data)-1])))
	case 't', 'f', 'n':
		return append(out, data[0])
	case '[':
		out = append(out, '[')
		for i := strictjson.SkipSpace(data, 1); data[i] != ']'; {
			end := strictjson.SkipValue(data, i)
			out = append(appendCanonical(out, data[i:end]), ',')
			if i = strictjson.SkipSpace(data, end); data[i] == ',' {
				i = strictjson.SkipSpace(data, i+1)
			}
		}
		return append(out, ']')
	case '{':
		var members []string
		for key, value := range strictjson.Members(data) {
			members = append(members, string(appendCanonical(append(strconv.AppendQuote(nil, string(key)), ':'), value)))
		}
		slices.Sort(members)
		out = append(out, '{')
		for _, member := range members {
			out = append(append(out, member...), ',')
		}
		return append(out, '}')
	}
	d := parseDecimal(data)
	if d.negative {
		out = append(out, '-')
	}
	return strconv.AppendInt(append(append(out, d.digits...), 'e'), int64(d.exp), 10)
}
