package transport

// Stats are the numbers of an [HTTPHandler] at one moment.
type Stats struct {
	Sessions int   // legacy sessions that are open
	Running  int   // requests that are being answered
	Streams  int   // GET streams of legacy sessions
	Listens  int   // subscriptions/listen streams
	Refused  int64 // requests so far that reached no handler
}

// Stats returns the numbers. It takes as long as there are requests and
// streams, and holds up the beginning of others for that time.
func (h *HTTPHandler) Stats() Stats {
	s := Stats{Refused: h.refused.Load()}
	h.sessions.mu.Lock()
	s.Sessions = len(h.sessions.open)
	h.sessions.mu.Unlock()
	h.calls.mu.Lock()
	s.Running, s.Streams = h.calls.running.len(), h.calls.streams.len()
	h.calls.mu.Unlock()
	h.listens.mu.Lock()
	s.Listens = len(h.listens.open)
	h.listens.mu.Unlock()
	return s
}

func (l *exchanges) len() (n int) {
	for e := l.first; e != nil; e = e.next {
		n++
	}
	return n
}
