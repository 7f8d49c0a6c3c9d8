package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

// An op is an append of one event that expects a version, or a read of the last
// version. Its result is the version that was stored, found or in the way.
type op struct {
	read   bool
	expect int64
}

type result struct {
	version  int64
	conflict bool
}

// oneStream is the model: a stream is its version.
var oneStream = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		version, in, out := state.(int64), input.(op), output.(result)
		switch {
		case in.read:
			return out.version == version, version
		case in.expect == version:
			return !out.conflict && out.version == version+1, version + 1
		default:
			return out.conflict && out.version == version, version
		}
	},
}

func TestBackend_HistoriesAreLinearizable(t *testing.T) {
	admin := newPool(t, testURL(), t.Name(), 1)
	opts := &postgres.Options{Schema: newSchema(t, admin)}
	var replicas []*eventstore.Store
	for range 2 {
		replicas = append(replicas, eventstore.New(open(t, newPool(t, testURL(), t.Name(), 4), opts), nil))
	}
	for round := range 5 {
		history := race(t, fmt.Sprint("s", round), replicas)
		if got := porcupine.CheckOperationsTimeout(oneStream, history, time.Minute); got != porcupine.Ok {
			t.Fatalf("round %d: %s", round, got)
		}
	}
}

// race lets clients of several replicas write and read one stream.
func race(t *testing.T, name string, replicas []*eventstore.Store) []porcupine.Operation {
	t.Helper()
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		history []porcupine.Operation
		began   = time.Now()
	)
	for client := range 6 {
		s, rng := replicas[client%len(replicas)], rand.New(rand.NewPCG(uint64(client), 7))
		wg.Go(func() {
			version := int64(0)
			for range 25 {
				in := op{read: rng.IntN(3) == 0, expect: version}
				call := time.Since(began)
				out := try(t, s, name, in)
				end := time.Since(began)
				version = out.version
				mu.Lock()
				history = append(history, porcupine.Operation{
					ClientId: client, Input: in, Output: out, Call: call.Nanoseconds(), Return: end.Nanoseconds(),
				})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history
}

func try(t *testing.T, s *eventstore.Store, name string, in op) result {
	t.Helper()
	if in.read {
		for e, err := range s.ReadStream(t.Context(), name, 0, eventstore.Backward) {
			if err != nil {
				t.Error(err)
			}
			return result{version: e.Version}
		}
		return result{}
	}
	stored, err := s.Append(t.Context(), name, eventstore.Expected(in.expect), eventstore.Event{Type: "t"})
	if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
		return result{version: conflict.Actual, conflict: true}
	}
	if err != nil {
		t.Error(err)
		return result{}
	}
	return result{version: stored[0].Version}
}
