package eventstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

func TestAppend_RefusesWhatTheLimitsForbid(t *testing.T) {
	limits := eventstore.Limits{Name: 10, Data: 20, Metadata: 10, Events: 3, Batch: 50}
	s := eventstore.New(eventstore.NewMemory(), &eventstore.Options{Limits: limits})
	fine := eventstore.Event{ID: "id", Type: "t"}
	with := func(change func(*eventstore.Event)) []eventstore.Event {
		e := fine
		change(&e)
		return []eventstore.Event{e}
	}
	type ev = eventstore.Event
	for name, test := range map[string]struct {
		stream string
		events []eventstore.Event
	}{
		"no stream":          {"", []ev{fine}},
		"long stream":        {"12345678901", []ev{fine}},
		"stream with NUL":    {"a\x00b", []ev{fine}},
		"stream not UTF-8":   {"a\xff", []ev{fine}},
		"no events":          {"s", nil},
		"many events":        {"s", make([]ev, 4)},
		"no type":            {"s", with(func(e *ev) { e.Type = "" })},
		"type of the store":  {"s", with(func(e *ev) { e.Type = eventstore.TypeTombstone })},
		"type with newline":  {"s", with(func(e *ev) { e.Type = "a\nb" })},
		"long ID":            {"s", with(func(e *ev) { e.ID = "12345678901" })},
		"ID twice":           {"s", []ev{fine, fine}},
		"negative schema":    {"s", with(func(e *ev) { e.Schema = -1 })},
		"large data":         {"s", with(func(e *ev) { e.Data = make([]byte, 21) })},
		"large metadata":     {"s", with(func(e *ev) { e.Metadata.Extra = map[string]string{"123456": "78901"} })},
		"metadata with NUL":  {"s", with(func(e *ev) { e.Metadata.Causation = "\x00" })},
		"metadata not UTF-8": {"s", with(func(e *ev) { e.Metadata.Extra = map[string]string{"a": "\xff"} })},
		"sealed":             {"s", with(func(e *ev) { e.Metadata.Sealed = "x" })},
		"subject with NUL":   {"s", with(func(e *ev) { e.Metadata.Subject = "\x00" })},
		"far future":         {"s", with(func(e *ev) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) })},
		"large batch": {"s", []ev{
			{Type: "t", Data: make([]byte, 20)}, {Type: "t", Data: make([]byte, 20)}, {Type: "t", Data: make([]byte, 11)},
		}},
	} {
		var invalid *eventstore.InvalidError
		if _, err := s.Append(t.Context(), test.stream, eventstore.Any, test.events...); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var invalid *eventstore.InvalidError
	if _, err := s.Append(t.Context(), "s", eventstore.Exists-1, fine); !errors.As(err, &invalid) {
		t.Errorf("expected version: %v", err)
	}
	fine.Data, fine.Metadata.Correlation = make([]byte, 20), "1234567890"
	if _, err := s.Append(t.Context(), "1234567890", eventstore.Any, fine); err != nil {
		t.Errorf("at the limits: %v", err)
	}
}

func TestAppend_NegativeLimitsMeanNone(t *testing.T) {
	none := eventstore.Limits{Name: -1, Data: -1, Metadata: -1, Events: -1, Batch: -1}
	s := eventstore.New(eventstore.NewMemory(), &eventstore.Options{Limits: none})
	e := eventstore.Event{Type: strings.Repeat("t", 1000), Data: make([]byte, 20<<20)}
	e.Metadata.Correlation = strings.Repeat("c", 1<<20)
	if _, err := s.Append(t.Context(), "s", eventstore.Any, e); err != nil {
		t.Error(err)
	}
}

func TestAppend_SharesNoMemoryWithItsCallers(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	e := eventstore.Event{Type: "t", Data: []byte("data"), Metadata: eventstore.Metadata{Extra: map[string]string{"k": "v"}}}
	stored, err := s.Append(t.Context(), "s", eventstore.Any, e)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(e eventstore.Event) { e.Data[0], e.Metadata.Extra["k"] = 'X', "X" }
	spoil(e)
	spoil(stored[0])
	for range 2 {
		for e, err := range s.ReadStream(t.Context(), "s", 0, eventstore.Forward) {
			if err != nil || string(e.Data) != "data" || e.Metadata.Extra["k"] != "v" {
				t.Errorf("%+v, %v", e, err)
			}
			spoil(e)
		}
	}
}

func TestNewID_IsAUniqueUUIDOfVersion7(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := eventstore.NewID()
		if len(id) != 36 || id[14] != '7' || !strings.ContainsRune("89ab", rune(id[19])) || strings.Count(id, "-") != 4 || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
}

func TestPosition_TextOrdersAsPositionsDo(t *testing.T) {
	var last eventstore.Position
	for _, parts := range [][2]uint64{{0, 1}, {0, 10}, {0, 1 << 63}, {1, 0}, {9, 2}, {10, 1}, {1 << 63, 0}} {
		p := eventstore.MakePosition(parts[0], parts[1])
		if p.Compare(last) != 1 || last.Compare(p) != -1 || p.String() <= last.String() {
			t.Errorf("%v after %v", p, last)
		}
		last = p
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("")
	f.Add("0000000000000001000000000000000F")
	f.Add("000000000000000100000000000000zz")
	f.Fuzz(func(t *testing.T, text string) {
		var p, again eventstore.Position
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if text != "" && !strings.EqualFold(text, p.String()) {
			t.Errorf("%q is read as %v", text, p)
		}
		if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p {
			t.Errorf("%v is read again as %v, %v", p, again, err)
		}
	})
}

// FuzzImport holds what an import takes to what an export of it brings.
func FuzzImport(f *testing.F) {
	const line = `{"id":"1","type":"t","schema":1,"stream":"s","version":1,"time":"2024-02-29T12:00:00Z"`
	f.Add([]byte(line + `,"data":{"a":1}}`))
	f.Add([]byte(line + `,"metadata":{"sealed":"x","extra":{"a":"b"}},"base64":"AP8="}`))
	f.Add([]byte(line + `}` + "\n" + `{"id":"2","type":"$tombstone","schema":1,"stream":"s","version":2,"time":"0001-01-01T00:00:00.1Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := eventstore.New(eventstore.NewMemory(), nil)
		n, err := s.Import(t.Context(), bytes.NewReader(data))
		var out, again bytes.Buffer
		if _, exportErr := s.Export(t.Context(), &out, eventstore.Position{}); exportErr != nil {
			t.Fatal(exportErr)
		}
		if lines := bytes.Count(out.Bytes(), []byte("\n")); lines > n || err == nil && lines > bytes.Count(data, []byte("{")) {
			t.Errorf("%d events of an import that counts %d", lines, n)
		}
		copied := eventstore.New(eventstore.NewMemory(), nil)
		if _, err := copied.Import(t.Context(), bytes.NewReader(out.Bytes())); err != nil {
			t.Fatalf("import of %s: %v", out.Bytes(), err)
		}
		if _, err := copied.Export(t.Context(), &again, eventstore.Position{}); err != nil || again.String() != out.String() {
			t.Errorf("%s exported again is %s, %v", out.Bytes(), again.Bytes(), err)
		}
	})
}

func TestImport_NamesWhatItCannotTake(t *testing.T) {
	for _, text := range []string{
		"{",
		`{"id":"1"}`,
		`{"id":"1","type":"t","schema":1,"stream":"s","version":1,"time":"2024-02-29T12:00:00Z","other":1}`,
		`{"id":"1","type":"t","schema":1,"stream":"s","version":2,"time":"2024-02-29T12:00:00Z"}`,
	} {
		s := eventstore.New(eventstore.NewMemory(), nil)
		if n, err := s.Import(t.Context(), strings.NewReader(text)); err == nil || n != 0 {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
}

func TestExpected_SaysWhatItIs(t *testing.T) {
	got := fmt.Sprint(eventstore.NoStream, ", ", eventstore.Any, ", ", eventstore.Exists, ", ", eventstore.Expected(7))
	if got != "no stream, any version, an existing stream, version 7" {
		t.Error(got)
	}
}

// sparse answers every other question with a page that has no events and
// comes no further than one position.
type sparse struct {
	*eventstore.Memory

	n int
}

func (s *sparse) ReadAll(ctx context.Context, q eventstore.AllQuery) (eventstore.Page, error) {
	if s.n++; s.n%2 == 1 {
		q.Limit.Events = 1
		page, err := s.Memory.ReadAll(ctx, q)
		if err != nil || len(page.Events) == 0 {
			return page, err
		}
		return eventstore.Page{Next: page.Next}, nil // as if a filter left it out
	}
	return s.Memory.ReadAll(ctx, q)
}

func TestReadAll_GoesOnAfterAPageWithoutEvents(t *testing.T) {
	s := eventstore.New(&sparse{Memory: eventstore.NewMemory()}, &eventstore.Options{PageEvents: 1})
	if _, err := s.Append(t.Context(), "s", eventstore.Any, numbered(0, 6)...); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}
