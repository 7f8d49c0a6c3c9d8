package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

// testProjectionModel has events, poison, two processes with bad luck, pauses
// and a new version come in any order. In the end the views are the fold of all
// events.
func testProjectionModel(t *testing.T, c Config) {
	for range 3 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("Seed", seed), func(t *testing.T) {
			s, v := c.openViews(t)
			w := world{t: t, s: s, rng: rand.New(rand.NewPCG(seed, 0))}
			for i := range w.places {
				w.places[i].backend = &saboteur{Backend: s.Backend(), views: v, rng: rand.New(rand.NewPCG(seed, uint64(i)+1))}
			}
			for range 60 {
				w.step()
			}
			w.settle()
		})
	}
}

// A saboteur is a backend whose transactions fail at random, before they begin
// or after they are stored, or are run again after they were stored.
type saboteur struct {
	eventstore.Backend
	views eventstore.Views

	mu  sync.Mutex
	rng *rand.Rand
}

func (b *saboteur) roll() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rng.IntN(12)
}

var errSabotage = errors.New("sabotage")

func (b *saboteur) UpdateViews(ctx context.Context, locks []string, f func(context.Context, eventstore.ViewTx) error) error {
	luck := b.roll()
	if luck == 0 {
		return errSabotage
	}
	err := b.views.UpdateViews(ctx, locks, f)
	if err == nil && luck == 1 {
		return errSabotage
	}
	if err == nil && luck == 2 {
		return b.views.UpdateViews(ctx, locks, f)
	}
	return err
}

func (b *saboteur) ReadViews(ctx context.Context, f func(context.Context, eventstore.ViewTx) error) error {
	return b.views.ReadViews(ctx, f)
}

// A place is a process that may run a version of the projection.
type place struct {
	backend *saboteur
	run     *run
	version int
}

type world struct {
	t      *testing.T
	s      *eventstore.Store
	rng    *rand.Rand
	places [3]place
	newest int
	dose   dose
	n      int
}

func (w *world) projection(version int) eventstore.Projection {
	p := w.dose.into(chain(version, fmt.Sprint(version)))
	p.BatchEvents = 1 + w.rng.IntN(5)
	p.Retries = 1
	p.OnPoison = eventstore.Park
	p.Lease = 200 * time.Millisecond
	return p
}

func (w *world) step() {
	at := &w.places[w.rng.IntN(len(w.places))]
	switch w.rng.IntN(10) {
	case 0, 1:
		if at.run != nil {
			at.run.stop()
			at.run = nil
		}
	case 2, 3:
		w.start(at)
	case 4:
		w.newest = max(w.newest, 1+w.rng.IntN(2))
	case 5:
		w.operate(at)
	case 6: // let them come to something
		head, err := w.s.Head(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(w.rng.IntN(50))*time.Millisecond)
		defer cancel()
		if at.run != nil {
			_ = at.run.Wait(ctx, head) // or not
		}
	default:
		w.append()
	}
}

func (w *world) start(at *place) {
	if at.run != nil || w.newest == 0 {
		return
	}
	at.version = 1 + w.rng.IntN(w.newest)
	r := project(w.t, eventstore.New(at.backend, &eventstore.Options{PageEvents: 3}), w.projection(at.version))
	at.run = &r
}

func (w *world) append() {
	events := make([]eventstore.Event, 1+w.rng.IntN(4))
	for i := range events {
		w.n++
		events[i] = ev(fmt.Sprint("e", w.n))
		if w.rng.IntN(15) == 0 {
			w.dose.set(events[i].ID, w.rng.IntN(7)-1)
		}
	}
	mustAppend(w.t, w.s, fmt.Sprint("s", w.rng.IntN(4)), eventstore.Any, events...)
}

// operate does what an operator may. The errors are those of saboteurs and poison.
func (w *world) operate(at *place) {
	if at.run == nil {
		return
	}
	ctx := w.t.Context()
	switch w.rng.IntN(4) {
	case 0:
		_ = at.run.Pause(ctx)
	case 1:
		_ = at.run.Resume(ctx)
	default:
		_, _ = at.run.Retry(ctx, fmt.Sprint("s", w.rng.IntN(4)))
	}
}

// settle cures all poison, runs all versions to the end and judges their views.
func (w *world) settle() {
	w.t.Helper()
	w.newest = max(w.newest, 1)
	for i := range w.places {
		if p := &w.places[i]; p.run != nil {
			p.run.stop()
			p.run = nil
		}
	}
	w.dose.mu.Lock()
	w.dose.ids = nil
	w.dose.mu.Unlock()
	for version := 1; version <= w.newest; version++ {
		p := w.projection(version)
		p.Lease = patience // nobody is to be hurried, or replaced, any more; it also bounds Retry
		r := project(w.t, w.s, p)
		if err := r.Resume(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		r.catchUp(w.t, w.s)
		for i := range 4 {
			if _, err := r.Retry(w.t.Context(), fmt.Sprint("s", i)); err != nil {
				w.t.Fatal(err)
			}
		}
		if status, err := r.Status(w.t.Context()); err != nil || status.Parked != 0 || status.Applied != int64(w.n) {
			w.t.Errorf("%d events are stored, status %+v, %v", w.n, status, err)
		}
		if err := r.Promote(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		holds(w.t, w.s, version, fmt.Sprint(version), nil)
	}
}
