package eventstore

import "strconv"

// Expected is what an append expects of its stream. A number is the version of
// the last event, as Expected(7); its zero value is [NoStream].
type Expected int64

const (
	// NoStream expects a stream without events: never written, or deleted.
	NoStream Expected = 0
	// Any expects nothing.
	Any Expected = -1
	// Exists expects a stream that has events and is not deleted.
	Exists Expected = -2
)

// String returns the name or the version.
func (e Expected) String() string {
	switch e {
	case NoStream:
		return "no stream"
	case Any:
		return "any version"
	case Exists:
		return "an existing stream"
	default:
		return "version " + strconv.FormatInt(int64(e), 10)
	}
}
