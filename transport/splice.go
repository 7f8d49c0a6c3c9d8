package transport

import "github.com/trestle-mcp/trestle/internal/strictjson"

// appendReplaced appends the sound JSON data with value in the place of the
// member that the keys of path lead to. It reports whether there is one.
func appendReplaced(dst, data, value []byte, path ...string) (_ []byte, found bool) {
	if len(path) == 0 {
		return append(dst, value...), true
	}
	if len(data) == 0 || data[0] != '{' {
		return append(dst, data...), false
	}
	dst = append(dst, '{')
	for key, member := range strictjson.Members(data) {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, string(key)), ':')
		if string(key) == path[0] {
			dst, found = appendReplaced(dst, member, value, path[1:]...)
		} else {
			dst = append(dst, member...)
		}
	}
	return append(dst, '}'), found
}
