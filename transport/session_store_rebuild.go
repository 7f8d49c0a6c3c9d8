package transport

import (
	"context"
	"errors"
	"time"
)

// A rebuilding is a session that is being looked for. Requests for the same one
// wait for it.
type rebuilding struct {
	done chan struct{}
	s    *session
	ref  *refusal
}

// maxSessionID bounds what is looked for: ids of ours have 26 bytes.
const maxSessionID = 64

// rebuild returns session id of owner from the store.
func (k *sessionKeeper) rebuild(ctx context.Context, id, owner string) (*session, *refusal) {
	if len(id) > maxSessionID {
		return nil, sessionNotFound()
	}
	key := recordKey(id, owner)
	k.mu.Lock()
	f, found := k.flights[key]
	if !found {
		f = &rebuilding{done: make(chan struct{}), ref: sessionNotFound()}
		k.flights[key] = f
	}
	k.mu.Unlock()
	if !found {
		k.fly(ctx, f, key, id, owner)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, unavailable("")
	}
	if f.ref != nil {
		own := *f.ref // each request puts its id into it
		return nil, &own
	}
	return f.s, nil
}

func (k *sessionKeeper) fly(ctx context.Context, f *rebuilding, key, id, owner string) {
	defer func() {
		k.mu.Lock()
		delete(k.flights, key)
		k.mu.Unlock()
		close(f.done)
	}()
	f.s, f.ref = k.revive(ctx, key, id, owner)
}

func (k *sessionKeeper) revive(ctx context.Context, key, id, owner string) (*session, *refusal) {
	if s := k.table.find(id, owner); s != nil && !s.closed() {
		return s, nil // by the request before
	}
	if k.calls.isDraining() {
		return nil, unavailable("") // another replica may have it
	}
	if k.isBuried(key) {
		return nil, sessionNotFound()
	}
	now := time.Now()
	r, err := k.load(ctx, key)
	switch {
	case errors.Is(err, ErrNoSession):
		return nil, sessionNotFound()
	case err != nil:
		return nil, storeFailed("")
	}
	if ref := k.table.reserve(owner, r.Version); ref != nil {
		return nil, ref
	}
	s := &session{id: id, owner: owner, version: r.Version}
	k.adopt(s)
	s.kept.stored.Store(true)
	s.kept.level, s.kept.wanted = r.LogLevel, r.LogLevel
	s.kept.confirmed, s.kept.next = now, now.Add(k.recheck)
	if k.table.connect(s, r.state()) != nil {
		return nil, unavailable(r.Version)
	}
	if !k.table.add(s) {
		s.end(SessionDrained)
		return nil, unavailable(r.Version)
	}
	s.watch()
	if opened := k.table.opened; opened != nil {
		guard(func() { opened(s.sdk) })
	}
	return s, nil
}

func (c *calls) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// bury keeps a session from being rebuilt here until it is exhumed.
func (k *sessionKeeper) bury(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.buried[key] = struct{}{}
}

func (k *sessionKeeper) exhume(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.buried, key)
}

func (k *sessionKeeper) isBuried(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, found := k.buried[key]
	return found
}
