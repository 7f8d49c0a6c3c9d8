package auth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// Bounds on a file of API keys.
const (
	maxAPIKeyLine = 64 << 10
	maxAPIKeys    = 100_000
)

// ReadAPIKeys reads keys as JSON, one [APIKey] a line. Blank lines and those
// that start with # are passed over. Unknown or repeated fields, and two keys
// of one id, are mistakes: the error names the line, and says nothing of what
// is in it.
func ReadAPIKeys(r io.Reader) (APIKeyLookup, error) {
	keys := make(map[string]*APIKey)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxAPIKeyLine)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseAPIKey(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n, err)
		case keys[key.ID] != nil:
			return nil, fmt.Errorf("line %d: the id is that of another key", n)
		case len(keys) == maxAPIKeys:
			return nil, fmt.Errorf("line %d: more than %d keys; look them up in a database", n, maxAPIKeys)
		}
		keys[key.ID] = key
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading API keys: %w", err)
	}
	return func(_ context.Context, id string) (*APIKey, error) { return keys[id], nil }, nil
}

// ReadAPIKeyFile reads keys like [ReadAPIKeys], from a file, once.
func ReadAPIKeyFile(path string) (APIKeyLookup, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("auth: API keys: %w", err)
	}
	defer f.Close()
	find, err := ReadAPIKeys(f)
	if err != nil {
		return nil, fmt.Errorf("auth: API keys: %s: %w", path, err)
	}
	return find, nil
}

var errAPIKeySyntax = errors.New("not a JSON object with the fields of an API key, each once")

func parseAPIKey(line []byte) (*APIKey, error) {
	if strictjson.Check(line, 2) != nil || line[0] != '{' {
		return nil, errAPIKeySyntax
	}
	key := new(APIKey)
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if dec.Decode(key) != nil { // its text may hold what was on the line
		return nil, errAPIKeySyntax
	}
	if err := key.check(); err != nil {
		return nil, err
	}
	return key, nil
}
