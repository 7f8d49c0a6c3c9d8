package eventstoretest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

// A link is the state of a stream in the view of chain: how many events are in
// it, and a sum of their IDs that depends on their order. An event that is left
// out, taken twice or out of turn shows.
type link struct {
	N   int    `json:"n"`
	Sum string `json:"sum"`
}

func (l link) next(salt string, e eventstore.Event) link {
	sum := sha256.Sum256([]byte(salt + l.Sum + e.ID))
	return link{l.N + 1, hex.EncodeToString(sum[:8])}
}

// chain returns a projection to links. The salt makes versions differ.
func chain(version int, salt string) eventstore.Projection {
	return eventstore.Projection{
		Name: "chain", Version: version,
		Apply: func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
			var l link
			if _, err := v.Get(ctx, e.Stream, &l); err != nil {
				return err
			}
			return v.Set(e.Stream, l.next(salt, e))
		},
	}
}

// chained returns the view that is right: the fold of all events but those left out.
func chained(t *testing.T, s *eventstore.Store, salt string, out map[string]bool) map[string]link {
	t.Helper()
	want := map[string]link{}
	for _, e := range all(t, s) {
		if !out[e.ID] {
			want[e.Stream] = want[e.Stream].next(salt, e)
		}
	}
	return want
}

// links reads the current version of the view.
func links(ctx context.Context, s *eventstore.Store) (got map[string]link, version int, err error) {
	err = s.View(ctx, "chain", func(ctx context.Context, v *eventstore.View) error {
		got, version = map[string]link{}, v.Version()
		for e, err := range v.All(ctx, "") {
			if err != nil {
				return err
			}
			var l link
			if err := e.Decode(&l); err != nil {
				return err
			}
			got[e.Key] = l
		}
		return nil
	})
	return got, version, err
}

// holds fails the test unless the view is that of a version and right.
func holds(t *testing.T, s *eventstore.Store, version int, salt string, out map[string]bool) {
	t.Helper()
	got, current, err := links(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if current != version {
		t.Errorf("version %d is current, want %d", current, version)
	}
	if want := chained(t, s, salt, out); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the view is\n%v, the events say\n%v", got, want)
	}
}
