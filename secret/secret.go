package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Mark is what stands where a secret would. It is never a secret itself.
const Mark = "[redacted]"

// A Secret is a text that only [Secret.Reveal] shows. The zero Secret is the
// empty text, and shown as such, since it is good to see that one is missing.
//
// Secrets are not compared with ==, which does not compile, but with
// [Secret.Equal]. A Secret is immutable but for unmarshaling into it.
type Secret struct {
	// A function is what no reflection looks into. A string, or a pointer to one,
	// in an unexported field would be found by fmt or by what dumps test values.
	reveal func() string
}

// New returns text as a secret.
func New(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// Reveal returns the text. Call it where the text is used, and nowhere else.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the text is empty. JSON's omitzero asks it.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal reports whether both are the same text. How long it takes says nothing
// about where they differ, nor how long the other one is.
func (s Secret) Equal(other Secret) bool {
	// Digests have one length: comparing texts of two lengths would end at once.
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns [Mark], or "" for the zero Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return Mark
}

// Format implements [fmt.Formatter]: every verb writes what String returns.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalBinary is MarshalText, for encoders such as encoding/gob.
func (s Secret) MarshalBinary() ([]byte, error) { return s.MarshalText() }

var errRedacted = errors.New("secret: the text is " + Mark + ", which stands for a secret and is none")

// UnmarshalText takes text for the secret. It refuses [Mark], which is in
// configurations that were written by an encoder; the error shows no secret.
func (s *Secret) UnmarshalText(text []byte) error {
	if string(text) == Mark {
		return errRedacted
	}
	*s = New(string(text))
	return nil
}

// UnmarshalBinary is UnmarshalText.
func (s *Secret) UnmarshalBinary(data []byte) error { return s.UnmarshalText(data) }
