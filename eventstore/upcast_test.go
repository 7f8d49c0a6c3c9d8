package eventstore_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// rename returns a step that moves a field and counts up the version.
func rename(from, to string) eventstore.Upcast {
	return func(e eventstore.Event) (eventstore.Event, error) {
		var fields map[string]json.RawMessage
		if err := e.Decode(&fields); err != nil {
			return e, err
		}
		fields[to] = fields[from]
		delete(fields, from)
		data, err := json.Marshal(fields)
		e.Data, e.Schema = data, e.Schema+1
		return e, err
	}
}

func steps(t *testing.T) *eventstore.Upcasters {
	t.Helper()
	var u eventstore.Upcasters
	err := errors.Join(
		u.Add("user.named", 1, rename("nm", "name")),
		u.Add("user.named", 2, rename("name", "fullName")),
		u.Add("user.gone", 1, func(e eventstore.Event) (eventstore.Event, error) {
			return eventstore.Event{Type: "user.left", Schema: 1, Data: e.Data, Metadata: e.Metadata}, nil
		}),
		u.Add("circle", 1, func(e eventstore.Event) (eventstore.Event, error) { return e, nil }),
	)
	if err != nil {
		t.Fatal(err)
	}
	return &u
}

// The golden file is an export as a reader of today sees it. Rewrite it with
// go test ./eventstore -run Upcasters -update.
func TestUpcasters_BringEveryStoredFormToThatOfToday(t *testing.T) {
	stored, err := os.Open(filepath.Join("testdata", "stored.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	backend := eventstore.NewMemory()
	if _, err := eventstore.New(backend, nil).Import(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	today := eventstore.New(eventstore.NewMemory(), nil)
	s := eventstore.New(backend, &eventstore.Options{Upcasters: steps(t)})
	for e, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := today.Append(t.Context(), e.Stream, eventstore.Any, e); err != nil {
			t.Fatal(err)
		}
	}
	var got strings.Builder
	if _, err := today.Export(t.Context(), &got, eventstore.Position{}); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "upcast.golden.jsonl")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.String() != string(want) {
		t.Errorf("got\n%swant\n%s%v", got.String(), want, err)
	}
}

func TestUpcasters_ApplyToStreamsAndSubscriptionsButNotToExports(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), &eventstore.Options{Upcasters: steps(t)})
	old := eventstore.Event{Type: "user.named", Data: []byte(`{"nm":"Ada"}`)}
	if _, err := s.Append(t.Context(), "u", eventstore.Any, old); err != nil {
		t.Fatal(err)
	}
	for e, err := range s.ReadStream(t.Context(), "u", 0, eventstore.Forward) {
		if err != nil || e.Schema != 3 || string(e.Data) != `{"fullName":"Ada"}` {
			t.Errorf("stream: %+v, %v", e, err)
		}
	}
	for e, err := range s.Subscribe(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if err != nil || e.Schema != 3 {
			t.Errorf("subscription: %+v, %v", e, err)
		}
		break
	}
	var out strings.Builder
	if _, err := s.Export(t.Context(), &out, eventstore.Position{}); err != nil || !strings.Contains(out.String(), `{"nm":"Ada"}`) {
		t.Errorf("export: %s, %v", out.String(), err)
	}
}

func TestUpcasters_ErrorsAndCirclesEndTheIteration(t *testing.T) {
	for _, e := range []eventstore.Event{
		{Type: "circle"},
		{Type: "user.named", Data: []byte("not JSON")},
	} {
		s := eventstore.New(eventstore.NewMemory(), &eventstore.Options{Upcasters: steps(t)})
		if _, err := s.Append(t.Context(), "u", eventstore.Any, e, eventstore.Event{Type: "fine"}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range s.ReadStream(t.Context(), "u", 0, eventstore.Forward) {
			if n++; err == nil {
				t.Errorf("an event of type %q passes", e.Type)
			}
		}
		if n != 1 {
			t.Errorf("%d steps after an error", n)
		}
	}
}

func TestUpcasters_RefuseASecondStepOfOneForm(t *testing.T) {
	u := steps(t)
	var invalid *eventstore.InvalidError
	for _, schema := range []int{1, 0} {
		if err := u.Add("user.named", schema, rename("a", "b")); !errors.As(err, &invalid) {
			t.Errorf("version %d: %v", schema, err)
		}
	}
}
