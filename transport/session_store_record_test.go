package transport_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trestle-mcp/trestle/transport"
)

func TestSessionStore_ARecordThatIsNoneIsNoSession(t *testing.T) {
	store := newSpyStore()
	a := newReplica(t, transport.Options{SessionStore: store})
	id, other := a.open(t), a.open(t)
	sound := store.all()
	replace := func(old, with string) func(string, []byte) []byte {
		return func(_ string, record []byte) []byte {
			edited := bytes.Replace(record, []byte(old), []byte(with), 1)
			if bytes.Equal(edited, record) {
				t.Errorf("no %s in %s", old, record)
			}
			return edited
		}
	}
	for name, edit := range map[string]func(key string, record []byte) []byte{
		"empty":           func(string, []byte) []byte { return nil },
		"half":            func(_ string, r []byte) []byte { return r[:len(r)/2] },
		"null":            func(string, []byte) []byte { return []byte("null") },
		"no object":       func(string, []byte) []byte { return []byte(`["format",1]`) },
		"too large":       func(_ string, r []byte) []byte { return append(r, bytes.Repeat([]byte(" "), 33<<10)...) },
		"deep":            replace(`"logLevel"`, `"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"logLevel"`),
		"trailing":        func(_ string, r []byte) []byte { return append(r, '}') },
		"of the future":   replace(`"format":1`, `"format":2`),
		"no format":       replace(`"format":1,`, ``),
		"other version":   replace(`"version":"2025-11-25"`, `"version":"2026-07-28"`),
		"unknown version": replace(`"version":"2025-11-25"`, `"version":"1999-01-01"`),
		"no initialize":   replace(`"initialize":{`, `"initialized":{`),
		"null initialize": replace(`"initialize":{`, `"initialize":null,"x":{`),
		"bad level":       replace(`"logLevel":"info"`, `"logLevel":"loud"`),
		"twice":           replace(`"format":1`, `"format":1,"format":1`),
		"of another key": func(key string, r []byte) []byte {
			for k, record := range sound {
				if k != key {
					return record
				}
			}
			return r
		},
	} {
		for _, session := range []string{id, other} {
			play(t, a, session, setLevel("info"), nil)
		}
		before := store.all()
		sound = before
		store.edit(edit)
		b := newReplica(t, transport.Options{SessionStore: store})
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			if w := play(t, b, id, call("1", "log"), withMethod(method)); w.Code != http.StatusNotFound {
				t.Errorf("%s: %s is %d %s", name, method, w.Code, w.Body)
			}
		}
		if count(b.server) != 0 || len(drained(b.opened)) != 0 {
			t.Errorf("%s: adopted", name)
		}
		store.edit(func(key string, _ []byte) []byte { return before[key] })
		if got := b.status(t, id); got != http.StatusOK {
			t.Errorf("%s: the sound record is %d", name, got)
		}
	}
}

func FuzzSessionRecord(f *testing.F) {
	key := transport.RecordKey("id", "owner")
	for _, seed := range []string{
		`{"format":1,"key":"` + key + `","version":"2025-11-25","initialize":{"capabilities":{},"clientInfo":{"name":"c","version":"1"},"protocolVersion":"2025-11-25"},"roots":{},"initialized":true,"logLevel":"info"}`,
		`{"format":1,"key":"` + key + `","version":"2024-11-05","initialize":{}}`,
		`{"format":1,"key":"` + key + `","version":"2025-06-18","initialize":{"capabilities":null,"_meta":{"a":[1e400]}},"roots":null}`,
		`{}`, `null`, `[`, `{"format":1e9}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if transport.RecodeRecord(transport.RecordKey("id2", "owner"), data) != nil {
			t.Fatal("a record of another session is read")
		}
		once := transport.RecodeRecord(key, data)
		if once == nil {
			return
		}
		if !json.Valid(once) {
			t.Fatalf("%s", once)
		}
		if len(once) > 32<<10 {
			return // what is added makes it too long
		}
		if diff := cmp.Diff(string(once), string(transport.RecodeRecord(key, once))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRecordKey_TellsIDsAndPrincipalsApart(t *testing.T) {
	seen := map[string]string{}
	for _, pair := range [][2]string{{"", ""}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {"1:a", ""}, {"", "1:a"}, {"b", "a"}} {
		key := transport.RecordKey(pair[0], pair[1])
		if was, found := seen[key]; found || len(key) != 43 {
			t.Errorf("%q has the key %q of %q", pair, key, was)
		}
		seen[key] = pair[0] + "," + pair[1]
	}
}
