package server

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
)

// stateFormat is the first byte of sealed state. A change of the format needs
// another value, so that replicas of both versions refuse rather than misread.
const stateFormat = 1

// expiryBytes is the length of the expiry, in Unix seconds, before the payload.
const expiryBytes = 8

// sealer encrypts and authenticates state that travels through clients.
type sealer struct {
	keys []cipher.AEAD // the first seals, all open
	ttl  time.Duration
	warn func()
}

// newSealer returns a sealer for the keys, or for a random one without any.
func newSealer(keys [][]byte, ttl time.Duration, log *zap.Logger) (*sealer, error) {
	s := &sealer{ttl: ttl, warn: func() {}}
	if len(keys) == 0 {
		key := make([]byte, stateKeyBytes)
		rand.Read(key) // never fails: crypto/rand ends the program instead
		keys = [][]byte{key}
		s.warn = sync.OnceFunc(func() {
			log.Warn("questions to clients are sealed with a random key: they do not survive a restart," +
				" and other replicas cannot read the answers; set Options.StateKeys")
		})
	}
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			continue // the options already name the mistake
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("option StateKeys: %w", err)
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

// seal returns plain encrypted, readable until the ttl has passed and only
// with the same binding.
func (s *sealer) seal(plain, binding []byte) string {
	s.warn()
	expiry := time.Now().Add(s.ttl).Unix()
	box := binary.BigEndian.AppendUint64(nil, uint64(expiry)) //nolint:gosec // after 1970
	box = append(box, plain...)
	sealed := s.keys[0].Seal([]byte{stateFormat}, nil, box, binding) //nolint:gosec // G407: the AEAD makes its own nonce
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// open is the inverse of seal. Its errors are for the log: a caller learns
// only that the state is not valid.
func (s *sealer) open(sealed string, binding []byte) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) == 0 || raw[0] != stateFormat {
		return nil, errors.New("not state of this server")
	}
	for _, key := range s.keys {
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
	return nil, errors.New("forged, sealed with another key, or for another principal, tool or arguments")
}

// binding is what sealed state belongs to: the principal, the method, the name
// and the arguments of the call.
func binding(ctx context.Context, c *call) []byte {
	var name string
	var args []byte
	switch p := c.req.GetParams().(type) {
	case *mcp.CallToolParamsRaw:
		name, args = p.Name, canonical(p.Arguments)
	case *mcp.GetPromptParams:
		name = p.Name
		args, _ = json.Marshal(p.Arguments) //nolint:errchkjson // a map of strings
	case *mcp.ReadResourceParams:
		name = p.URI
	}
	principal, _ := auth.PrincipalFrom(ctx)
	h := sha256.New()
	for _, part := range [][]byte{[]byte(principal.Key()), []byte(c.method), []byte(name), args} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return h.Sum(nil)
}

// canonical returns the arguments with sorted keys and without blanks, because
// a client may write them anew for each round.
func canonical(args json.RawMessage) []byte {
	if len(args) == 0 {
		return []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return args
	}
	out, err := json.Marshal(v)
	if err != nil {
		return args
	}
	return out
}
