package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/seal"
	"github.com/trestle-mcp/trestle/secret"
)

// sealer seals the state of questions.
type sealer struct {
	*seal.Box
	warn func()
}

// newSealer returns a sealer for the keys, or for a random one without any.
func newSealer(keys []secret.Secret, ttl time.Duration, log *zap.Logger) (*sealer, error) {
	s := &sealer{warn: func() {}}
	if len(keys) == 0 {
		s.warn = sync.OnceFunc(func() {
			log.Warn("what clients send back, answers to questions and cursors of lists, is sealed with a random key:" +
				" it does not survive a restart, and other replicas cannot read it; set Options.StateKeys")
		})
	}
	raw := make([][]byte, len(keys))
	for i, key := range keys {
		raw[i] = keyBytes(key)
	}
	var err error
	s.Box, err = seal.New(raw, ttl)
	if err != nil {
		return nil, fmt.Errorf("option StateKeys: %w", err)
	}
	return s, nil
}

// keyBytes returns the key itself, also of one in base64. No text is both, by
// its length.
func keyBytes(key secret.Secret) []byte {
	text := key.Reveal()
	if len(text) != seal.KeyBytes {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil && len(raw) == seal.KeyBytes {
			return raw
		}
	}
	return []byte(text)
}

// Seal returns plain sealed, see [seal.Box.Seal].
func (s *sealer) Seal(plain, binding []byte) string {
	s.warn()
	return s.Box.Seal(plain, binding)
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
	return seal.Binding([]byte(principal.Key()), []byte(c.method), []byte(name), args)
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
