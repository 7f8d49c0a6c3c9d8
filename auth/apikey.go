package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
)

// An APIKey is what a server keeps of a key: its hash, and whose it is. The
// key itself is known to its owner alone.
type APIKey struct {
	// ID finds the key: it is the part before the first dot. At most 64
	// letters, digits, "_" and "-".
	ID string `json:"id"`
	// SHA256 is the hash of the whole key. A fast hash is enough only because
	// keys are random, as [NewAPIKey] makes them: never accept one that a
	// person thought of.
	SHA256 Hash `json:"sha256"`
	// Subject is the principal's. Its issuer is "apikey".
	Subject string   `json:"subject"`
	Roles   []string `json:"roles,omitempty"`
	Scopes  []string `json:"scopes,omitempty"`
	Tenant  string   `json:"tenant,omitempty"`
	// Expires is when the key ends. Zero means never.
	Expires time.Time `json:"expires,omitzero"`
}

// APIKeyIssuer is the issuer of every principal that an API key names.
const APIKeyIssuer = "apikey"

const (
	maxAPIKeyID = 64
	secretBytes = 32
)

// A Hash is a SHA-256; as text it is 64 hexadecimal digits.
type Hash [sha256.Size]byte

// MarshalText implements [encoding.TextMarshaler].
func (h Hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return errors.New("want 64 hexadecimal digits")
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return errors.New("want 64 hexadecimal digits")
	}
	return nil
}

// NewAPIKey makes a random key for subject and what to keep of it. The key is
// shown to its owner once; it cannot be found out from the record. The error
// is that of an id that cannot be one, or an empty subject.
func NewAPIKey(id, subject string) (key string, record APIKey, err error) {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	key = id + "." + base64.RawURLEncoding.EncodeToString(secret)
	record = APIKey{ID: id, SHA256: sha256.Sum256([]byte(key)), Subject: subject}
	if err := record.check(); err != nil {
		return "", APIKey{}, err
	}
	return key, record, nil
}

func (k *APIKey) check() error {
	switch {
	case !validAPIKeyID(k.ID):
		return fmt.Errorf("auth: an API key's id has 1 to %d letters, digits, _ and -", maxAPIKeyID)
	case k.Subject == "":
		return errors.New("auth: an API key needs a subject")
	case k.SHA256 == Hash{}:
		return errors.New("auth: an API key needs the sha256 of the key")
	}
	return checkScopes("an API key's scopes", k.Scopes)
}

func validAPIKeyID(id string) bool {
	return id != "" && len(id) <= maxAPIKeyID && !strings.ContainsFunc(id, func(c rune) bool {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		return !letter && !digit && c != '_' && c != '-'
	})
}

// An APIKeyLookup returns the key with that id, or nil if there is none; the
// caller does not change it. An error means that it cannot be known now. It is
// called by many goroutines; ids are valid, and anybody may make them up.
type APIKeyLookup func(ctx context.Context, id string) (*APIKey, error)

// APIKeys returns a verifier of API keys, which callers send as bearer tokens.
// It compares hashes, in constant time. It keeps nothing: a key that find does
// not return any more is refused at once.
//
// Keys without expiry have a zero Expiration; go-sdk's RequireBearerToken wants
// AllowMissingExpiration for them.
func APIKeys(find APIKeyLookup) Verifier {
	return func(ctx context.Context, token string, _ *http.Request) (*sdkauth.TokenInfo, error) {
		id, _, ok := strings.Cut(token, ".")
		if !ok || !validAPIKeyID(id) {
			return nil, invalidError("not an API key")
		}
		record, err := find(ctx, id)
		switch {
		case err != nil && canceled(ctx, err):
			return nil, err
		case err != nil:
			return nil, unavailable("keys cannot be verified now, retry shortly", fmt.Errorf("API keys: %w", err))
		case record == nil:
			record = &APIKey{} // compared all the same: unknown takes as long as wrong
		}
		sum := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(sum[:], record.SHA256[:]) != 1 {
			return nil, invalidError("unknown API key")
		}
		if !record.Expires.IsZero() && !time.Now().Before(record.Expires) {
			return nil, errExpired
		}
		p := Principal{
			Issuer: APIKeyIssuer, Subject: record.Subject,
			Roles: record.Roles, Scopes: record.Scopes, Tenant: record.Tenant,
			Claims: map[string]any{"key_id": id},
		}
		return p.TokenInfo(record.Expires), nil
	}
}
