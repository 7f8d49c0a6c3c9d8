package server

import "github.com/trestle-mcp/trestle/transport"

// Stats are the numbers of a server at one moment.
type Stats struct {
	InFlight    int64 // calls that count for MaxInFlight
	MaxInFlight int64 // zero means no limit
	Abandoned   int64 // handlers that run on beyond their deadline

	// HTTP are those of the HTTP handler. They are zero over stdio, and until Run
	// or Handler was called.
	HTTP transport.Stats
}

// Stats returns the numbers.
func (s *Server) Stats() Stats {
	stats := Stats{
		InFlight: s.bounds.gate.InFlight(), MaxInFlight: int64(max(s.opts.MaxInFlight, 0)),
		Abandoned: s.bounds.deadline.Abandoned(),
	}
	if h := s.counted.Load(); h != nil {
		stats.HTTP = h.Stats()
	}
	return stats
}
