package auth_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

func newAPIKey(tb testing.TB, id, subject string) (string, auth.APIKey) {
	tb.Helper()
	key, record, err := auth.NewAPIKey(id, subject)
	must(tb, err)
	return key, record
}

func TestAPIKeys_AcceptOnlyTheWholeKey(t *testing.T) {
	key, record := newAPIKey(t, "ci", "ci-bot")
	record.Roles, record.Scopes, record.Tenant = []string{"ops"}, []string{"read"}, "t1"
	oldKey, expired := newAPIKey(t, "old", "old-bot")
	expired.Expires = time.Now().Add(-time.Second)
	down := errors.New("dial tcp 10.0.0.7:5432")
	verify := auth.APIKeys(func(_ context.Context, id string) (*auth.APIKey, error) {
		switch id {
		case "ci", "ci2":
			return &record, nil
		case "old":
			return &expired, nil
		case "down":
			return nil, down
		}
		return nil, nil
	})
	p := auth.FromTokenInfo(accepts(t, verify, key))
	if p.Issuer != auth.APIKeyIssuer || p.Subject != "ci-bot" || !p.HasRole("ops") || !p.HasScope("read") || p.Tenant != "t1" || p.Claims["key_id"] != "ci" {
		t.Errorf("got %+v", p)
	}
	_, secret, _ := strings.Cut(key, ".")
	for name, token := range map[string]string{
		"expired": oldKey, "a wrong secret": "ci." + strings.Repeat("A", 43), "no secret": "ci.", "only the id": "ci",
		"only the secret": secret, "another id": "ci2." + secret, "unknown id": "xx." + secret, "cut": key[:len(key)-1],
		"longer": key + "A", "no id": "." + secret, "an id that is none": "c/i." + secret, "the hash": "ci." + hexOf(t, record),
		"a long id": strings.Repeat("a", 65) + "." + secret, "a JWT": "eyJhbGciOiJub25lIn0.e30.", "empty": "",
	} {
		if info, err := verify(t.Context(), token, nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	_, err := verify(t.Context(), "down."+secret, nil)
	if mcperrors.CodeOf(err) != mcperrors.Unavailable || strings.Contains(err.Error(), "10.0.0.7") {
		t.Errorf("got %v", err)
	}
}

func TestAPIKeys_AnEmptyRecordOpensNothing(t *testing.T) {
	verify := auth.APIKeys(func(context.Context, string) (*auth.APIKey, error) { return &auth.APIKey{}, nil })
	if _, err := verify(t.Context(), "x.y", nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
		t.Errorf("got %v", err)
	}
}

func hexOf(tb testing.TB, k auth.APIKey) string {
	tb.Helper()
	text, err := k.SHA256.MarshalText()
	must(tb, err)
	return string(text)
}

func TestNewAPIKey_MakesKeysNobodyCanGuess(t *testing.T) {
	a, _ := newAPIKey(t, "x", "s")
	b, _ := newAPIKey(t, "x", "s")
	if a == b || len(a) < len("x.")+43 {
		t.Errorf("%d letters; the same again: %t", len(a), a == b)
	}
	for _, id := range []string{"", "a.b", "ä", strings.Repeat("a", 65)} {
		if _, _, err := auth.NewAPIKey(id, "s"); err == nil {
			t.Errorf("id %q", id)
		}
	}
	if _, _, err := auth.NewAPIKey("x", ""); err == nil {
		t.Error("a key of nobody")
	}
}

func TestReadAPIKeyFile_ReadsWhatNewAPIKeyMade(t *testing.T) {
	key, record := newAPIKey(t, "ci", "ci-bot")
	record.Expires = time.Now().Add(time.Hour)
	path := filepath.Join(t.TempDir(), "keys.jsonl")
	must(t, os.WriteFile(path, []byte("# keys of the build\n\n"+string(encode(record))+"\n"), 0o600))
	find, err := auth.ReadAPIKeyFile(path)
	must(t, err)
	if p := auth.FromTokenInfo(accepts(t, auth.APIKeys(find), key)); p.Subject != "ci-bot" {
		t.Errorf("got %+v", p)
	}
	if _, err := auth.ReadAPIKeyFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there")
	}
}

func TestReadAPIKeys_NamesTheLineAndRepeatsNothing(t *testing.T) {
	_, record := newAPIKey(t, "ci", "ci-bot")
	_, other := newAPIKey(t, "other", "bot")
	good, first := string(encode(record)), string(encode(other))
	for name, line := range map[string]string{
		"not JSON":          `canary`,
		"a list":            `["canary"]`,
		"unknown field":     strings.Replace(good, "{", `{"canary":1,`, 1),
		"a field twice":     strings.Replace(good, "{", `{"id":"canary",`, 1),
		"no id":             strings.Replace(good, `"id":"ci"`, `"id":""`, 1),
		"no subject":        strings.Replace(good, `ci-bot`, ``, 1),
		"no hash":           `{"id":"a","subject":"canary"}`,
		"a hash too short":  `{"id":"a","subject":"s","sha256":"canary"}`,
		"not a hash":        `{"id":"a","subject":"s","sha256":"` + strings.Repeat("z", 64) + `"}`,
		"a key, not a hash": `{"id":"a","subject":"s","sha256":"a.canarycanary"}`,
		"the same id":       first,
		"two on a line":     good + good,
		"a bad scope":       strings.Replace(good, "{", `{"scopes":["a b"],`, 1),
		"a bad date":        strings.Replace(good, "{", `{"expires":"canary",`, 1),
		"an endless line":   strings.Repeat(" ", 70<<10),
	} {
		_, err := auth.ReadAPIKeys(strings.NewReader(first + "\n" + line))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		} else if name != "an endless line" && !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: no line in: %v", name, err)
		}
	}
}

func FuzzReadAPIKeys(f *testing.F) {
	_, record := newAPIKey(f, "ci", "ci-bot")
	f.Add(string(encode(record)) + "\n#\n")
	f.Add(`{"id":"a","sha256":"","subject":"s"}`)
	f.Add("{}\n[]\n\x00")
	f.Fuzz(func(t *testing.T, file string) {
		find, err := auth.ReadAPIKeys(strings.NewReader(file))
		if err != nil {
			return
		}
		for _, id := range []string{"", "ci", "a"} {
			k, err := find(t.Context(), id)
			if err != nil || (k != nil && (k.ID != id || k.Subject == "" || k.SHA256 == auth.Hash{})) {
				t.Errorf("%q: %+v, %v", id, k, err)
			}
		}
	})
}
