package httptool

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// parsePointer reads a JSON pointer (RFC 6901).
func parsePointer(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, errors.New(`not a JSON pointer: want one that starts with a slash, such as "/data/items"`)
	}
	parts := strings.Split(s[1:], "/")
	for i, part := range parts {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(part), "~") {
			return nil, errors.New("not a JSON pointer: ~ is written ~0")
		}
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts, nil
}

// resolve returns the part of data, which was checked, that a pointer names.
func resolve(data []byte, pointer []string) ([]byte, bool) {
	for _, name := range pointer {
		var found bool
		switch data[0] {
		case '{':
			data, found = memberOf(data, name)
		case '[':
			data, found = itemOf(data, name)
		}
		if !found {
			return nil, false
		}
	}
	return data, true
}

func memberOf(data []byte, name string) ([]byte, bool) {
	for key, value := range strictjson.Members(data) {
		if string(key) == name {
			return bytes.TrimSpace(value), true
		}
	}
	return nil, false
}

func itemOf(data []byte, name string) ([]byte, bool) {
	want, err := strconv.Atoi(name)
	if err != nil || want < 0 || strconv.Itoa(want) != name {
		return nil, false
	}
	at := strictjson.SkipSpace(data, 1)
	for i := 0; at < len(data) && data[at] != ']'; i++ {
		end := strictjson.SkipValue(data, at)
		if i == want {
			return bytes.TrimSpace(data[at:end]), true
		}
		at = strictjson.SkipSpace(data, end)
		if at < len(data) && data[at] == ',' {
			at = strictjson.SkipSpace(data, at+1)
		}
	}
	return nil, false
}

func pointerText(pointer []string) string { return clip("/"+strings.Join(pointer, "/"), 128) }
