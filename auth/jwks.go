package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Bounds on a key set.
const (
	maxKeys    = 100
	maxKeyID   = 256  // bytes
	minRSABits = 2048 // the most is go-jose's, 4096
)

// A keySet is the public keys of one issuer. It is not changed once it is made.
type keySet struct {
	keys   []jose.JSONWebKey
	prints map[string]bool // RFC 7638 thumbprints
}

// parseKeySet takes the keys that can verify signatures out of a JWKS
// (RFC 7517). As section 5 asks, keys of other kinds are passed over; so are
// keys that are weak, secret, or for something else.
func parseKeySet(data []byte) (*keySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("key set: it has %d keys, more than %d", len(doc.Keys), maxKeys)
	}
	set := &keySet{prints: make(map[string]bool)}
	for _, raw := range doc.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || !forVerification(raw, &key) {
			continue
		}
		thumb, err := key.Thumbprint(crypto.SHA256)
		if err != nil {
			continue
		}
		set.keys = append(set.keys, key)
		set.prints[string(thumb)] = true
	}
	if len(set.keys) == 0 {
		return nil, errors.New("key set: no usable key in it")
	}
	return set, nil
}

func forVerification(raw []byte, key *jose.JSONWebKey) bool {
	var meta struct {
		Ops []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &meta) != nil || (meta.Ops != nil && !slices.Contains(meta.Ops, "verify")) {
		return false
	}
	if (key.Use != "" && key.Use != "sig") || len(key.KeyID) > maxKeyID {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false // symmetric, or somebody published a private key
}

// find returns the keys that may have signed with alg under the name kid. A
// token that names no key is matched only where no choice has to be made.
func (s *keySet) find(kid string, alg jose.SignatureAlgorithm) []*jose.JSONWebKey {
	var found []*jose.JSONWebKey
	for i := range s.keys {
		k := &s.keys[i]
		if (kid == "" || k.KeyID == kid) && fits(k, alg) {
			found = append(found, k)
		}
	}
	if kid == "" && len(found) != 1 {
		return nil
	}
	return found
}

// fits reports whether k is for alg: of its type and curve, and not declared to
// be for another.
func fits(k *jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if k.Algorithm != "" && k.Algorithm != string(alg) {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(string(alg), "RS") || strings.HasPrefix(string(alg), "PS")
	case *ecdsa.PublicKey:
		return curves[alg] == key.Curve
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}

var curves = map[jose.SignatureAlgorithm]elliptic.Curve{
	jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521(),
}

// keepsAllOf reports whether every key of old is still in s.
func (s *keySet) keepsAllOf(old *keySet) bool {
	for thumb := range old.prints {
		if !s.prints[thumb] {
			return false
		}
	}
	return true
}
