package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/trestle-mcp/trestle/eventstore"
)

// tally is a state whose value depends on every event and on their order.
type tally struct {
	Count int
	Hash  uint64
	Last  map[string]int64
}

func tallies() eventstore.Aggregate[tally] {
	return eventstore.Aggregate[tally]{
		Kind: "tally",
		New:  func() tally { return tally{Last: map[string]int64{}} },
		Apply: func(s tally, e eventstore.Event) (tally, error) {
			s.Count++
			s.Hash = s.Hash*31 + uint64(len(e.ID)) + uint64(e.Version)
			s.Last[e.Type] = e.Version
			return s, nil
		},
	}
}

func repository[S any](t *testing.T, s *eventstore.Store, a eventstore.Aggregate[S]) *eventstore.Repository[S] {
	t.Helper()
	r, err := eventstore.NewRepository(s, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func numbered(from, n int) []eventstore.Event {
	out := make([]eventstore.Event, n)
	for i := range out {
		out[i] = eventstore.Event{ID: fmt.Sprint("e", from+i), Type: fmt.Sprint("t", (from+i)%3)}
	}
	return out
}

func load[S any](t *testing.T, r *eventstore.Repository[S], stream string) (S, int64) {
	t.Helper()
	state, version, err := r.Load(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return state, version
}

func TestRepository_SnapshotAndRestEqualAFullReplay(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("Seed", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 0))
				backend := eventstore.NewMemory()
				s := eventstore.New(backend, &eventstore.Options{PageEvents: 1 + rng.IntN(20)})
				a := tallies()
				a.SnapshotEvery = 1 + rng.IntN(40)
				with, every := repository(t, s, a), int64(a.SnapshotEvery)
				a.Kind, a.SnapshotEvery, a.SnapshotAfter = "never", -1, -1
				without := repository(t, s, a)
				for n := 0; n < 300; {
					add := 1 + rng.IntN(30)
					if _, err := with.Save(t.Context(), "x", int64(n), numbered(n, add)...); err != nil {
						t.Fatal(err)
					}
					n += add
					synctest.Wait() // the snapshot is written
					got, version := load(t, with, "x")
					want, _ := load(t, without, "x")
					if !reflect.DeepEqual(got, want) || version != int64(n) {
						t.Fatalf("at %d: %+v version %d, want %+v", n, got, version, want)
					}
				}
				snapshot, ok, err := backend.LoadSnapshot(t.Context(), "x", "tally")
				if !ok || err != nil || snapshot.Version <= 300-every {
					t.Errorf("snapshot at version %d, %v, %v", snapshot.Version, ok, err)
				}
			})
		})
	}
}

func TestRepository_ReplaysOnlyWhatFollowsTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := eventstore.New(eventstore.NewMemory(), nil)
		a, applied := tallies(), 0
		apply := a.Apply
		a.Apply = func(s tally, e eventstore.Event) (tally, error) { applied++; return apply(s, e) }
		r := repository(t, s, a)
		if _, err := r.Save(t.Context(), "x", 0, numbered(0, 1000)...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := r.Save(t.Context(), "x", 1000, numbered(1000, 3)...); err != nil {
			t.Fatal(err)
		}
		applied = 0
		if state, _ := load(t, r, "x"); state.Count != 1003 || applied != 3 {
			t.Errorf("%d events in the state, %d applied", state.Count, applied)
		}
	})
}

func TestRepository_IgnoresASnapshotItCannotTrust(t *testing.T) {
	for name, spoil := range map[string]func(*eventstore.Snapshot){
		"corrupt":        func(s *eventstore.Snapshot) { s.State[10] ^= 1 },
		"cut":            func(s *eventstore.Snapshot) { s.State = s.State[:5] },
		"another stream": func(s *eventstore.Snapshot) { s.EventID = "other" },
		"future schema":  func(s *eventstore.Snapshot) { s.Schema = 2 },
		"future version": func(s *eventstore.Snapshot) { s.Version = 900 },
		"version zero":   func(s *eventstore.Snapshot) { s.Version = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := eventstore.NewMemory()
				r := repository(t, eventstore.New(backend, nil), tallies())
				if _, err := r.Save(t.Context(), "x", 0, numbered(0, 150)...); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				want, _ := load(t, r, "x")
				snapshot, ok, err := backend.LoadSnapshot(t.Context(), "x", "tally")
				if !ok || err != nil {
					t.Fatal(ok, err)
				}
				spoil(&snapshot)
				if err := backend.SaveSnapshot(t.Context(), snapshot); err != nil {
					t.Fatal(err)
				}
				if got, _ := load(t, r, "x"); !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, want %+v", got, want)
				}
			})
		})
	}
}

func TestRepository_IgnoresTheSnapshotOfARestoredStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := eventstore.NewMemory()
		r := repository(t, eventstore.New(backend, nil), tallies())
		if _, err := r.Save(t.Context(), "x", 0, numbered(0, 150)...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		snapshot, _, err := backend.LoadSnapshot(t.Context(), "x", "tally")
		if err != nil {
			t.Fatal(err)
		}

		restored := eventstore.NewMemory() // other events at the same versions
		if err := restored.SaveSnapshot(t.Context(), snapshot); err != nil {
			t.Fatal(err)
		}
		s := eventstore.New(restored, nil)
		if _, err := s.Append(t.Context(), "x", eventstore.Any, numbered(7000, 160)...); err != nil {
			t.Fatal(err)
		}
		a := tallies()
		got, _ := load(t, repository(t, s, a), "x")
		a.Kind, a.SnapshotEvery = "never", -1
		if want, _ := load(t, repository(t, s, a), "x"); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestRepository_StartsAfreshAfterADeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := eventstore.New(eventstore.NewMemory(), nil)
		r := repository(t, s, tallies())
		if _, err := r.Save(t.Context(), "x", 0, numbered(0, 150)...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := s.Delete(t.Context(), "x", eventstore.Any); err != nil {
			t.Fatal(err)
		}
		state, version := load(t, r, "x")
		if state.Count != 0 || version != 0 {
			t.Fatalf("%+v at version %d", state, version)
		}
		if _, err := r.Save(t.Context(), "x", version, numbered(500, 2)...); err != nil {
			t.Fatal(err)
		}
		if state, version = load(t, r, "x"); state.Count != 2 || version != 153 {
			t.Errorf("%+v at version %d", state, version)
		}
	})
}

func TestRepository_UpdateTriesAgainAfterAConflict(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	a := tallies()
	a.Retries = 1000
	r := repository(t, s, a)
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				_, err := r.Update(t.Context(), "x", func(s tally) ([]eventstore.Event, error) {
					return []eventstore.Event{{Type: fmt.Sprint("after", s.Count)}}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for e, err := range s.ReadStream(t.Context(), "x", 0, eventstore.Forward) {
		if want := fmt.Sprint("after", e.Version-1); err != nil || e.Type != want {
			t.Fatalf("version %d was decided %s, %v", e.Version, e.Type, err)
		}
	}
	if state, _ := load(t, r, "x"); state.Count != writers*each {
		t.Errorf("%d events, want %d", state.Count, writers*each)
	}
}

func TestRepository_UpdateGivesUpAfterItsRetries(t *testing.T) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	a := tallies()
	a.Retries = 3
	r := repository(t, s, a)
	tries := 0
	_, err := r.Update(t.Context(), "x", func(tally) ([]eventstore.Event, error) {
		tries++
		if _, err := s.Append(t.Context(), "x", eventstore.Any, eventstore.Event{Type: "faster"}); err != nil {
			t.Fatal(err)
		}
		return []eventstore.Event{{Type: "slower"}}, nil
	})
	var conflict *eventstore.ConflictError
	if !errors.As(err, &conflict) || tries != 4 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

func TestRepository_UpdateDoesNotApplyARetryTwice(t *testing.T) {
	r := repository(t, eventstore.New(eventstore.NewMemory(), nil), tallies())
	for range 2 {
		state, err := r.Update(t.Context(), "x", func(tally) ([]eventstore.Event, error) { return numbered(0, 2), nil })
		if err != nil || state.Count != 2 {
			t.Errorf("%+v, %v", state, err)
		}
	}
}

// failingSnapshots cannot save any.
type failingSnapshots struct{ *eventstore.Memory }

func (failingSnapshots) SaveSnapshot(context.Context, eventstore.Snapshot) error {
	panic("no snapshots today")
}

func TestRepository_SurvivesAPanicOnTheWayToASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := tallies()
		failed := make(chan string, 1)
		a.OnSnapshotError = func(stream string, err error) { failed <- fmt.Sprint(stream, ": ", err) }
		r := repository(t, eventstore.New(failingSnapshots{eventstore.NewMemory()}, nil), a)
		if _, err := r.Save(t.Context(), "x", 0, numbered(0, 150)...); err != nil {
			t.Fatal(err)
		}
		if got := <-failed; got != "x: eventstore: panic: no snapshots today" {
			t.Error(got)
		}
		if state, _ := load(t, r, "x"); state.Count != 150 {
			t.Errorf("%+v", state)
		}
	})
}

func TestRepository_IgnoresSnapshotsOfAnotherSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := eventstore.New(eventstore.NewMemory(), nil)
		a := tallies()
		if _, err := repository(t, s, a).Save(t.Context(), "x", 0, numbered(0, 150)...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.Schema = 2 // counts in pairs
		apply := a.Apply
		a.Apply = func(s tally, e eventstore.Event) (tally, error) {
			s, err := apply(s, e)
			s.Count++
			return s, err
		}
		if state, _ := load(t, repository(t, s, a), "x"); state.Count != 300 {
			t.Errorf("%d", state.Count)
		}
	})
}
