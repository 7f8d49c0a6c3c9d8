package eventstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/trestle-mcp/trestle/eventstore"
)

// keyRing keeps keys in memory; nil is one that was destroyed.
type keyRing struct {
	mu   sync.Mutex
	keys map[string][]byte
	err  error
}

func (k *keyRing) Key(_ context.Context, subject string, create bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[subject]
	switch {
	case k.err != nil:
		return nil, k.err
	case ok && key == nil:
		return nil, eventstore.ErrKeyDestroyed
	case !ok && !create:
		return nil, errors.New("no such key")
	case !ok:
		key = make([]byte, 32)
		_, _ = rand.Read(key)
		k.keys[subject] = key
	}
	return key, nil
}

func (k *keyRing) destroy(subject string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys[subject] = nil
}

func secret(id, subject string) eventstore.Event {
	return eventstore.Event{
		ID: id, Type: "told", Data: []byte(`{"secret":"` + id + `"}`),
		Metadata: eventstore.Metadata{Subject: subject},
	}
}

func sealed(t *testing.T) (*keyRing, *eventstore.Memory, *eventstore.Store) {
	t.Helper()
	ring, backend := &keyRing{keys: map[string][]byte{}}, eventstore.NewMemory()
	s := eventstore.New(backend, &eventstore.Options{Keys: ring})
	if _, err := s.Append(t.Context(), "a", eventstore.Any, secret("one", "ada"), secret("two", "bob"), secret("three", "")); err != nil {
		t.Fatal(err)
	}
	return ring, backend, s
}

func readA(t *testing.T, s *eventstore.Store) []eventstore.Event {
	t.Helper()
	var out []eventstore.Event
	for e, err := range s.ReadStream(t.Context(), "a", 0, eventstore.Forward) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestKeys_HidePayloadsFromTheBackendAndFromExports(t *testing.T) {
	_, backend, s := sealed(t)
	for i, e := range readA(t, s) {
		if want := []string{"one", "two", "three"}[i]; string(e.Data) != `{"secret":"`+want+`"}` || e.Metadata.Sealed != "" {
			t.Errorf("event %d reads as %+v", i, e)
		}
	}
	for i, e := range readA(t, eventstore.New(backend, nil)) {
		if open := bytes.Contains(e.Data, []byte("secret")); open != (i == 2) {
			t.Errorf("event %d is stored as %q", i, e.Data)
		}
	}
	var out strings.Builder
	if _, err := s.Export(t.Context(), &out, eventstore.Position{}); err != nil || strings.Count(out.String(), "secret") != 1 {
		t.Errorf("export: %s, %v", out.String(), err)
	}
	again := eventstore.New(eventstore.NewMemory(), nil)
	if _, err := again.Import(t.Context(), strings.NewReader(out.String())); err != nil {
		t.Fatal(err)
	}
	for i, e := range readA(t, again) {
		if (e.Metadata.Sealed == "") != (i == 2) {
			t.Errorf("event %d is imported as %+v", i, e)
		}
	}
}

func TestKeys_ADestroyedOneErasesThePayloadsOfItsSubject(t *testing.T) {
	ring, _, s := sealed(t)
	ring.destroy("ada")
	events := readA(t, s)
	var v any
	var erased *eventstore.Erased
	if err := events[0].Decode(&v); !errors.As(err, &erased) || erased.Subject != "ada" || !events[0].Erased || events[0].Data != nil {
		t.Errorf("%+v decodes with %v", events[0], err)
	}
	if err := events[1].Decode(&v); err != nil || events[1].Erased {
		t.Errorf("%+v decodes with %v", events[1], err)
	}
	if _, err := s.Append(t.Context(), "a", eventstore.Any, secret("four", "ada")); !errors.Is(err, eventstore.ErrKeyDestroyed) {
		t.Errorf("append about an erased subject: %v", err)
	}
}

func TestKeys_ThatCannotBeHadAreAnErrorAndNoErasure(t *testing.T) {
	ring, _, s := sealed(t)
	ring.err = errors.New("the key server is away")
	for e, err := range s.ReadStream(t.Context(), "a", 0, eventstore.Forward) {
		if !errors.Is(err, ring.err) {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if _, err := s.Append(t.Context(), "a", eventstore.Any, secret("four", "ada")); !errors.Is(err, ring.err) {
		t.Errorf("append: %v", err)
	}
}

func TestKeys_LeaveRetriesRecognizable(t *testing.T) {
	_, _, s := sealed(t)
	stored, err := s.Append(t.Context(), "a", eventstore.Any, secret("one", "ada"))
	if err != nil || stored[0].Version != 1 {
		t.Errorf("%+v, %v", stored, err)
	}
	changed := secret("one", "ada")
	changed.Data = []byte("{}")
	var duplicate *eventstore.DuplicateError
	if _, err := s.Append(t.Context(), "a", eventstore.Any, changed); !errors.As(err, &duplicate) {
		t.Errorf("other content: %v", err)
	}
}

func TestKeys_APayloadOpensInItsOwnEventOnly(t *testing.T) {
	ring, backend, _ := sealed(t)
	stored := readA(t, eventstore.New(backend, nil))
	for name, change := range map[string]func(*eventstore.Event){
		"another event":  func(e *eventstore.Event) { e.ID = "other" },
		"another type":   func(e *eventstore.Event) { e.Type = "other" },
		"another schema": func(e *eventstore.Event) { e.Schema = 2 },
		"a flipped bit":  func(e *eventstore.Event) { e.Data[20] ^= 1 },
		"cut":            func(e *eventstore.Event) { e.Data = e.Data[:5] },
		"unknown way":    func(e *eventstore.Event) { e.Metadata.Sealed = "rot13" },
	} {
		e := stored[0].Clone()
		change(&e)
		forged := eventstore.NewMemory()
		if _, err := forged.Append(t.Context(), eventstore.Append{Stream: "a", Expected: eventstore.Any, Events: []eventstore.Event{e}}); err != nil {
			t.Fatal(err)
		}
		s := eventstore.New(forged, &eventstore.Options{Keys: ring})
		for e, err := range s.ReadStream(t.Context(), "a", 0, eventstore.Forward) {
			if err == nil {
				t.Errorf("%s: opens as %q", name, e.Data)
			}
		}
	}
}

func TestKeys_NoSnapshotOutlivesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, backend, s := sealed(t)
		a := tallies()
		a.SnapshotEvery = 1
		r := repository(t, s, a)
		load(t, r, "a")
		synctest.Wait()
		if snapshot, ok, err := backend.LoadSnapshot(t.Context(), "a", a.Kind); ok || err != nil {
			t.Errorf("%+v, %v", snapshot, err)
		}
	})
}
