// Package resume keeps what was sent on the streams of legacy sessions in event
// stores, so that a client that lost its connection can fetch the rest after the
// server was restarted, or from another replica:
//
//	streams := resume.New(sqlite.Segments("streams"), nil)
//	defer streams.Close()
//	opts := transport.Options{EventStore: streams, SessionStore: sessions}
//
// Nothing is ever taken out of an event store, and what was sent to clients must
// not be kept for ever. So there is a store for each period of time, a segment,
// and a segment is dropped as a whole: there are two of them at a time. Segments
// are for this alone; keep no other events in them.
//
// The sessions themselves have to outlive the process, too: see
// [transport.SessionStore].
//
// [transport.SessionStore]: https://pkg.go.dev/github.com/trestle-mcp/trestle/transport#SessionStore
package resume
