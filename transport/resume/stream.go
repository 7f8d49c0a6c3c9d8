package resume

import (
	"context"
	"fmt"
	"strconv"

	"github.com/trestle-mcp/trestle/eventstore"
)

// stream returns a stream, with what earlier processes appended to it. One that
// nobody knows begins here if it is opened.
func (s *Store) stream(ctx context.Context, sessionID, streamID string, open bool) (*stream, error) {
	if st := s.find(sessionID, streamID); st != nil {
		return st, nil
	}
	last, now, err := s.segments(ctx)
	if err != nil {
		return nil, err
	}
	st := &stream{name: nameOf(sessionID, streamID)}
	found := false
	for _, seg := range []*segment{now, last} {
		if found, err = st.follow(ctx, seg); found || err != nil {
			break
		}
	}
	switch {
	case err != nil:
		return nil, err
	case !found && !open:
		return nil, errUnknown
	case !found:
		st.segment = now.n
	}
	return s.add(sessionID, streamID, st)
}

func (s *Store) find(sessionID, streamID string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[sessionID][streamID]
}

// awaits reports whether a stream that has nothing kept is here, and none that
// comes before the event with index next was dropped.
func (s *Store) awaits(sessionID, streamID string, next int) bool {
	st := s.find(sessionID, streamID)
	if st == nil {
		return false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return next >= st.next
}

// add makes st known, unless another one was meanwhile.
func (s *Store) add(sessionID, streamID string, st *stream) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.sessions[sessionID][streamID]; other != nil {
		return other, nil
	}
	if s.known >= s.maxStreams {
		return nil, errStreams
	}
	if s.sessions[sessionID] == nil {
		s.sessions[sessionID] = make(map[string]*stream)
	}
	s.sessions[sessionID][streamID] = st
	s.known++
	return st, nil
}

// prune forgets streams that were quiet since before the last period, where there
// are many: most are answers that were given. It wants s.mu.
func (s *Store) prune(n int64) {
	if s.known <= s.maxStreams/2 {
		return
	}
	for id, session := range s.sessions {
		for streamID, st := range session {
			if !st.mu.TryLock() {
				continue // in use
			}
			quiet := st.segment < n-1
			st.mu.Unlock()
			if quiet {
				delete(session, streamID)
				s.known--
			}
		}
		if len(session) == 0 {
			delete(s.sessions, id)
		}
	}
}

// follow makes st go on behind the last event in a segment, if there is one.
func (st *stream) follow(ctx context.Context, seg *segment) (found bool, err error) {
	if seg == nil { // nobody knows where the stream is
		return false, errMissing
	}
	for e, err := range seg.store.ReadStream(ctx, st.name, 0, eventstore.Backward) {
		if err != nil {
			return false, err
		}
		index, err := indexOf(e)
		st.next, st.segment, st.version = index+1, seg.n, e.Version
		return err == nil, err
	}
	return false, nil
}

// first returns the index of the first event of a stream in a segment, or -1.
func (seg *segment) first(ctx context.Context, name string) (int, error) {
	if seg == nil {
		return -1, nil
	}
	for e, err := range seg.store.ReadStream(ctx, name, 0, eventstore.Forward) {
		if err != nil {
			return -1, err
		}
		return indexOf(e)
	}
	return -1, nil
}

func indexOf(e eventstore.Event) (int, error) {
	index, err := strconv.Atoi(e.Metadata.Extra[extraIndex])
	if err != nil || index < 0 || e.Type != typeSent {
		return -1, fmt.Errorf("resume: event %q is not of a stream", e.ID)
	}
	return index, nil
}
