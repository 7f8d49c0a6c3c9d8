package eventstore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// memoryViews are the entries of all spaces. Locks are channels, so that who
// waits for one ends with its context.
type memoryViews struct {
	mu     sync.RWMutex
	spaces map[string]map[string][]byte
	locks  map[string]chan struct{}
}

// UpdateViews implements [Views].
func (m *Memory) UpdateViews(ctx context.Context, locks []string, f func(ctx context.Context, tx ViewTx) error) error {
	if inMemoryTx(ctx, m) {
		return invalid("a transaction of views within another")
	}
	release, err := m.lock(ctx, locks)
	if err != nil {
		return err
	}
	defer release()
	tx := &memoryTx{m: m, changes: make(map[string]map[string][]byte)}
	if err := f(context.WithValue(ctx, memoryTxKey{}, tx), tx); err != nil {
		return err
	}
	m.mu.RLock()
	err = m.usable(ctx)
	m.mu.RUnlock()
	if err != nil {
		return err
	}
	tx.commit()
	return nil
}

// lock takes the locks in the order of their names.
func (m *Memory) lock(ctx context.Context, names []string) (release func(), err error) {
	var held []chan struct{}
	release = func() {
		for _, l := range held {
			<-l
		}
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		m.views.mu.Lock()
		l, ok := m.views.locks[name]
		if !ok {
			l = make(chan struct{}, 1)
			m.views.locks[name] = l
		}
		m.views.mu.Unlock()
		select {
		case l <- struct{}{}:
			held = append(held, l)
		case <-m.closed:
			err = ErrClosed
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			release()
			return nil, err
		}
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// ReadViews implements [Views].
func (m *Memory) ReadViews(ctx context.Context, f func(ctx context.Context, tx ViewTx) error) error {
	m.mu.RLock()
	err := m.usable(ctx)
	m.mu.RUnlock()
	if err != nil {
		return err
	}
	if s, ok := ctx.Value(memorySnapshotKey{}).(memorySnapshot); ok && s.m == m {
		return f(ctx, s) // within another: the lock is held, and would not be given twice
	}
	m.views.mu.RLock()
	defer m.views.mu.RUnlock()
	s := memorySnapshot{m}
	return f(context.WithValue(ctx, memorySnapshotKey{}, s), s)
}

type (
	memoryTxKey       struct{}
	memorySnapshotKey struct{}
)

// inMemoryTx reports whether ctx is that of a transaction of m.
func inMemoryTx(ctx context.Context, m *Memory) bool {
	tx, ok := ctx.Value(memoryTxKey{}).(*memoryTx)
	return ok && tx.m == m
}

// A memoryTx collects changes. What it reads does not change under it, as long
// as those who write the same entries name a lock in common.
type memoryTx struct {
	m       *Memory
	changes map[string]map[string][]byte // nil values are taken out
}

func (tx *memoryTx) commit() {
	v := &tx.m.views
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, entries := range tx.changes {
		space := v.spaces[name]
		if space == nil {
			space = make(map[string][]byte)
			v.spaces[name] = space
		}
		for key, value := range entries {
			if value == nil {
				delete(space, key)
			} else {
				space[key] = value
			}
		}
		if len(space) == 0 {
			delete(v.spaces, name)
		}
	}
}

func (tx *memoryTx) Get(ctx context.Context, space, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if value, ok := tx.changes[space][key]; ok {
		return value, value != nil, nil
	}
	tx.m.views.mu.RLock()
	defer tx.m.views.mu.RUnlock()
	return memorySnapshot{tx.m}.Get(ctx, space, key)
}

func (tx *memoryTx) Scan(ctx context.Context, space, prefix, after string, limit int) ([]ViewEntry, error) {
	tx.m.views.mu.RLock()
	merged := maps.Clone(tx.m.views.spaces[space])
	tx.m.views.mu.RUnlock()
	if merged == nil {
		merged = make(map[string][]byte)
	}
	maps.Copy(merged, tx.changes[space])
	return scanEntries(ctx, merged, prefix, after, limit)
}

func (tx *memoryTx) Put(ctx context.Context, space string, entries []ViewEntry) error {
	if tx.changes[space] == nil {
		tx.changes[space] = make(map[string][]byte)
	}
	for _, e := range entries {
		tx.changes[space][e.Key] = e.Value
	}
	return ctx.Err()
}

// A memorySnapshot reads while its user holds the lock of the entries.
type memorySnapshot struct{ m *Memory }

func (s memorySnapshot) Get(ctx context.Context, space, key string) ([]byte, bool, error) {
	value, ok := s.m.views.spaces[space][key]
	return value, ok, ctx.Err()
}

func (s memorySnapshot) Scan(ctx context.Context, space, prefix, after string, limit int) ([]ViewEntry, error) {
	return scanEntries(ctx, s.m.views.spaces[space], prefix, after, limit)
}

func (memorySnapshot) Put(context.Context, string, []ViewEntry) error {
	return invalid("a view is written by its projection only")
}

func scanEntries(ctx context.Context, space map[string][]byte, prefix, after string, limit int) ([]ViewEntry, error) {
	var keys []string
	for key, value := range space {
		if value != nil && key > after && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	keys = keys[:min(limit, len(keys))]
	out := make([]ViewEntry, len(keys))
	for i, key := range keys {
		out[i] = ViewEntry{key, slices.Clone(space[key])}
	}
	return out, ctx.Err()
}
