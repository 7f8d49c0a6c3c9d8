package eventstore

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// A Position is a place in the order of all events of one store. It is opaque:
// it may be compared with another of the same store and kept as text, but not
// counted with; there are gaps. The zero Position is before the first event.
type Position struct{ major, minor uint64 }

// MakePosition is for backends: a position orders by major, then by minor.
// A backend with one counter leaves major at zero.
func MakePosition(major, minor uint64) Position { return Position{major, minor} }

// Parts is for backends: it returns what [MakePosition] was given.
func (p Position) Parts() (major, minor uint64) { return p.major, p.minor }

// IsZero reports whether p is before the first event.
func (p Position) IsZero() bool { return p == Position{} }

// Compare returns -1 when p is before q, +1 when it is after q, and else 0.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.major, q.major), cmp.Compare(p.minor, q.minor))
}

// String returns 32 hexadecimal digits, which order as the positions do.
func (p Position) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], p.major)
	binary.BigEndian.PutUint64(b[8:], p.minor)
	return hex.EncodeToString(b[:])
}

// MarshalText returns what String does.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes what String returns, and nothing as the zero Position.
func (p *Position) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Position{}
		return nil
	}
	var b [16]byte
	if len(text) != 2*len(b) {
		return errPosition
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return errPosition
	}
	*p = Position{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	return nil
}

var errPosition = errors.New("eventstore: a position is 32 hexadecimal digits")
