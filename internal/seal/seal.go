// Package seal encrypts and authenticates what a server hands to clients to get
// it back later.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// KeyBytes is the length of a key, for AES-256.
const KeyBytes = 32

// format is the first byte of what is sealed. A change of the format needs
// another value, so that replicas of both versions refuse rather than misread.
const format = 1

// expiryBytes is the length of the expiry, in Unix seconds, before the payload.
const expiryBytes = 8

// A Box seals and opens. It is safe for concurrent use.
type Box struct {
	keys []cipher.AEAD // the first seals, all open
	ttl  time.Duration
}

// New returns a box with keys of [KeyBytes]: the first seals, all open. Without
// keys it has a random one. What it seals can be opened until ttl has passed.
// The error holds every mistake.
func New(keys [][]byte, ttl time.Duration) (*Box, error) {
	b := &Box{ttl: ttl}
	if len(keys) == 0 {
		keys = [][]byte{make([]byte, KeyBytes)}
		rand.Read(keys[0]) // never fails: crypto/rand ends the program instead
	}
	var mistakes []error
	for i, key := range keys {
		aead, err := newAEAD(key)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("key %d %w", i, err))
		}
		b.keys = append(b.keys, aead)
	}
	return b, errors.Join(mistakes...)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeyBytes {
		return nil, fmt.Errorf("has %d bytes, want %d", len(key), KeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal returns plain encrypted, readable until the ttl has passed and only with
// the same binding.
func (b *Box) Seal(plain, binding []byte) string {
	expiry := time.Now().Add(b.ttl).Unix()
	box := binary.BigEndian.AppendUint64(nil, uint64(expiry)) //nolint:gosec // after 1970
	box = append(box, plain...)
	sealed := b.keys[0].Seal([]byte{format}, nil, box, binding) //nolint:gosec // G407: the AEAD makes its own nonce
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// Open is the inverse of Seal. Its errors are for the log: a caller learns only
// that what it sent is not valid.
func (b *Box) Open(sealed string, binding []byte) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) == 0 || raw[0] != format {
		return nil, errors.New("not sealed by this server")
	}
	for _, key := range b.keys {
		box, err := key.Open(nil, nil, raw[1:], binding)
		if err != nil {
			continue
		}
		if len(box) < expiryBytes {
			return nil, errors.New("too short")
		}
		expiry := time.Unix(int64(binary.BigEndian.Uint64(box)), 0) //nolint:gosec // sealed by us
		if time.Now().After(expiry) {
			return nil, fmt.Errorf("expired at %s", expiry.UTC().Format(time.RFC3339))
		}
		return box[expiryBytes:], nil
	}
	return nil, errors.New("forged, sealed with another key, or for another use")
}

// Binding is one value for several, none of which can pass for a part of
// another.
func Binding(parts ...[]byte) []byte {
	h := sha256.New()
	for _, part := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return h.Sum(nil)
}
