package eventstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Keys hold one key for each subject. Destroying a key erases the payloads of
// all events of the subject, in every copy of the store (crypto-shredding), so
// the keys must be kept and backed up apart from it. Safe for concurrent use.
type Keys interface {
	// Key returns the 32 secret random bytes of a subject. Where there are none it
	// makes them and keeps them durably, if create is set, and fails otherwise.
	// Once the subject's key was destroyed the error is [ErrKeyDestroyed], with
	// create too. Every other error means that the key cannot be had now.
	Key(ctx context.Context, subject string, create bool) ([]byte, error)
}

// ErrKeyDestroyed is what [Keys] say of a subject that was erased. Appending an
// event about it fails with this error.
var ErrKeyDestroyed = errors.New("eventstore: the key of the subject was destroyed")

// Erased is the error of [Event.Decode] for a payload whose key was destroyed.
type Erased struct{ Subject string } //nolint:errname // it is what the payload has become

func (e *Erased) Error() string { return "eventstore: the payload was erased" }

// sealing is the way of encrypting, as Metadata.Sealed names it: AES-256-GCM
// with a nonce made of the content, so that a retry is recognized by its bytes.
const sealing = "aes256gcm-synthetic-1"

func (s *Store) seal(ctx context.Context, a Append) error {
	if s.keys == nil {
		return nil
	}
	for i := range a.Events {
		e := &a.Events[i]
		// One that is sealed already is being imported.
		if e.Metadata.Subject == "" || e.Metadata.Sealed != "" {
			continue
		}
		b, err := s.sealBox(ctx, *e, true)
		if err != nil {
			return fmt.Errorf("eventstore: event %q: %w", e.ID, err)
		}
		nonce := b.nonce(e.Data)
		e.Data = b.aead.Seal(nonce, nonce, e.Data, b.context)
		e.Metadata.Sealed = sealing
	}
	return nil
}

func (s *Store) unseal(ctx context.Context, e Event) (Event, error) {
	if s.keys == nil || e.Metadata.Sealed == "" {
		return e, nil
	}
	if e.Metadata.Sealed != sealing {
		return Event{}, fmt.Errorf("eventstore: event %q is sealed in an unknown way", e.ID)
	}
	b, err := s.sealBox(ctx, e, false)
	if errors.Is(err, ErrKeyDestroyed) {
		e.Data, e.Erased = nil, true
		return e, nil
	}
	if err != nil {
		return Event{}, fmt.Errorf("eventstore: event %q: %w", e.ID, err)
	}
	n := b.aead.NonceSize()
	if len(e.Data) < n {
		return Event{}, fmt.Errorf("eventstore: event %q: a sealed payload of %d bytes", e.ID, len(e.Data))
	}
	if e.Data, err = b.aead.Open(nil, e.Data[:n], e.Data[n:], b.context); err != nil {
		return Event{}, fmt.Errorf("eventstore: event %q: the payload does not open: %w", e.ID, err)
	}
	e.Metadata.Sealed = ""
	return e, nil
}

// A sealBox encrypts and decrypts the payload of one event.
type sealBox struct {
	aead     cipher.AEAD
	nonceKey []byte
	context  []byte // what the payload is bound to
}

// A keyError says that [Keys] did not give a key, which is no fault of the event.
type keyError struct{ cause error }

func (e *keyError) Error() string { return "its key: " + e.cause.Error() }
func (e *keyError) Unwrap() error { return e.cause }

func (s *Store) sealBox(ctx context.Context, e Event, create bool) (*sealBox, error) {
	key, err := s.keys.Key(ctx, e.Metadata.Subject, create)
	if err != nil {
		return nil, &keyError{err}
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("a key of %d bytes, not 32", len(key))
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "trestle eventstore "+sealing, 64)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived[:32])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealBox{aead: aead, nonceKey: derived[32:], context: sealContext(e)}, err
}

// sealContext binds a payload to its event: put into another one, it does not open.
func sealContext(e Event) []byte {
	var b []byte
	for _, s := range []string{e.ID, e.Stream, e.Type, e.Metadata.Subject} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return binary.AppendUvarint(b, uint64(e.Schema)) //nolint:gosec // checked to be positive
}

func (b *sealBox) nonce(data []byte) []byte {
	mac := hmac.New(sha256.New, b.nonceKey)
	mac.Write(binary.AppendUvarint(nil, uint64(len(b.context))))
	mac.Write(b.context)
	mac.Write(data)
	return mac.Sum(nil)[:b.aead.NonceSize()]
}
