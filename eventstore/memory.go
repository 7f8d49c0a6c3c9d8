package eventstore

import (
	"context"
	"slices"
	"sync"
)

// Memory is a [Backend] that keeps everything in memory, for tests and for what
// may be lost with the process. It also keeps snapshots and views. Make one with [NewMemory].
type Memory struct {
	mu        sync.RWMutex
	events    []Event          // all, in order: the position of events[i] is i+1
	ids       map[string]int   // index in events
	streams   map[string]*lane // by name
	snapshots map[snapshotKey]Snapshot
	views     memoryViews
	grown     chan struct{} // closed and replaced at each append
	closed    chan struct{}
}

// A lane is a stream: its state, and where its events are.
type lane struct {
	state StreamState
	index []int // index[v-1] is where version v is in events
}

type snapshotKey struct{ stream, kind string }

// NewMemory returns an empty backend.
func NewMemory() *Memory {
	return &Memory{
		ids:       make(map[string]int),
		streams:   make(map[string]*lane),
		snapshots: make(map[snapshotKey]Snapshot),
		views:     memoryViews{spaces: make(map[string]map[string][]byte), locks: make(map[string]chan struct{})},
		grown:     make(chan struct{}),
		closed:    make(chan struct{}),
	}
}

// Append implements [Backend].
func (m *Memory) Append(ctx context.Context, a Append) ([]Event, error) {
	if inMemoryTx(ctx, m) {
		return nil, invalid("an append within a transaction of views")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	if repeated, err := Repeated(a, m.known(a.Events)); repeated != nil || err != nil {
		return repeated, err
	}
	l := m.streams[a.Stream]
	if l == nil {
		l = &lane{}
	}
	if err := l.state.Admit(a.Stream, a.Expected); err != nil {
		return nil, err
	}
	m.streams[a.Stream] = l
	l.state = l.state.Next(a.Stream, a.Events)
	for i := range a.Events {
		e := &a.Events[i]
		m.ids[e.ID] = len(m.events)
		l.index = append(l.index, len(m.events))
		e.Position = memoryPosition(len(m.events) + 1)
		m.events = append(m.events, *e)
	}
	close(m.grown)
	m.grown = make(chan struct{})
	return a.Events, nil
}

// known returns the stored events that have the IDs of others.
func (m *Memory) known(events []Event) []Event {
	var stored []Event
	for _, e := range events {
		if i, ok := m.ids[e.ID]; ok {
			stored = append(stored, m.events[i])
		}
	}
	return stored
}

// ReadStream implements [Backend].
func (m *Memory) ReadStream(ctx context.Context, q StreamQuery) (Page, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return Page{}, err
	}
	l := m.streams[q.Stream]
	if l == nil {
		return Page{End: true}, nil
	}
	if l.state.Tombstoned {
		return Page{}, l.state.Admit(q.Stream, Any)
	}
	from, to, step := max(q.From, l.state.Hidden+1), l.state.Version+1, int64(1)
	if q.Backward {
		if from, to, step = q.From, l.state.Hidden, -1; from == 0 || from > l.state.Version {
			from = l.state.Version
		}
	}
	var p pager
	for v := from; (to-v)*step > 0; v += step {
		if p.full(q.Limit) {
			return Page{Events: p.events}, nil
		}
		p.add(m.events[l.index[v-1]])
	}
	return Page{Events: p.events, End: true}, nil
}

// ReadAll implements [Backend].
func (m *Memory) ReadAll(ctx context.Context, q AllQuery) (Page, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return Page{}, err
	}
	_, n := q.After.Parts()
	var p pager
	for i := min(n, uint64(len(m.events))); i < uint64(len(m.events)); i++ {
		if p.full(q.Limit) {
			return Page{Events: p.events, Next: MakePosition(0, i)}, nil
		}
		if q.Filter.Match(m.events[i]) {
			p.add(m.events[i])
		}
	}
	next := q.After
	if head := memoryPosition(len(m.events)); head.Compare(next) > 0 {
		next = head
	}
	return Page{Events: p.events, Next: next, End: true}, nil
}

// A pager collects the events of a page.
type pager struct {
	events []Event
	bytes  int
}

func (p *pager) full(limit PageLimit) bool {
	return len(p.events) >= limit.Events || len(p.events) > 0 && p.bytes >= limit.Bytes
}

func (p *pager) add(e Event) {
	p.events = append(p.events, e.Clone())
	p.bytes += len(e.Data)
}

// Head implements [Backend].
func (m *Memory) Head(ctx context.Context) (Position, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return Position{}, err
	}
	return memoryPosition(len(m.events)), nil
}

// Wait implements [Backend].
func (m *Memory) Wait(ctx context.Context, after Position) error {
	for {
		m.mu.RLock()
		grown, ahead, err := m.grown, memoryPosition(len(m.events)).Compare(after) > 0, m.usable(ctx)
		m.mu.RUnlock()
		if ahead || err != nil {
			return err
		}
		select {
		case <-grown:
		case <-m.closed:
		case <-ctx.Done():
		}
	}
}

// Close implements [Backend]. The events are gone when nobody refers to m.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.closed:
	default:
		close(m.closed)
	}
	return nil
}

func (m *Memory) usable(ctx context.Context) error {
	select {
	case <-m.closed:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

func memoryPosition(n int) Position { return MakePosition(0, uint64(n)) } //nolint:gosec // a length

// SaveSnapshot implements [Snapshots].
func (m *Memory) SaveSnapshot(ctx context.Context, s Snapshot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	s.State = slices.Clone(s.State)
	m.snapshots[snapshotKey{s.Stream, s.Kind}] = s
	return nil
}

// LoadSnapshot implements [Snapshots].
func (m *Memory) LoadSnapshot(ctx context.Context, stream, kind string) (Snapshot, bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return Snapshot{}, false, err
	}
	s, ok := m.snapshots[snapshotKey{stream, kind}]
	s.State = slices.Clone(s.State)
	return s, ok, nil
}
