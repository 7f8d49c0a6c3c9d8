package auth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
)

const (
	resource    = "https://mcp.example/mcp"
	metadataURL = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
)

// rsaKey is made once: it takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

type object = map[string]any

// A signer makes tokens, also such as no sound library makes.
type signer struct {
	kid, alg string
	public   any
	sign     func(data []byte) []byte
}

func ecSigner(tb testing.TB, kid string) signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	return signer{kid, "ES256", &key.PublicKey, func(data []byte) []byte {
		sum := sha256.Sum256(data)
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil { // tb may be a finished one, or a fuzz target's parent
			panic(err)
		}
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig
	}}
}

func edSigner(tb testing.TB, kid string) signer {
	tb.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(tb, err)
	return signer{kid, "EdDSA", public, func(data []byte) []byte { return ed25519.Sign(key, data) }}
}

func rsaSigner(tb testing.TB, kid, alg string) signer {
	tb.Helper()
	return signer{kid, alg, &rsaKey().PublicKey, func(data []byte) []byte {
		sum := sha256.Sum256(data)
		var sig []byte
		var err error
		if alg == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, sum[:], nil)
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, rsaKey(), crypto.SHA256, sum[:])
		}
		must(tb, err)
		return sig
	}}
}

// hmacSigner signs with what everybody knows: the public key.
func hmacSigner(tb testing.TB, kid string) signer {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)
	must(tb, err)
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return signer{kid, "HS256", nil, func(data []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(data)
		return mac.Sum(nil)
	}}
}

// token signs claims; header overrides what the signer would say, nil removes.
func (s signer) token(header, claims object) string {
	h := object{"alg": s.alg, "typ": "at+jwt", "kid": s.kid}
	return s.raw(encode(patch(h, header)), encode(claims))
}

func (s signer) raw(header, claims []byte) string {
	input := b64(header) + "." + b64(claims)
	return input + "." + b64(s.sign([]byte(input)))
}

func patch(o, with object) object {
	o = maps.Clone(o)
	maps.Copy(o, with)
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	return o
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// An issuer is an authorization server: it publishes keys and metadata.
type issuer struct {
	url     string
	client  *http.Client
	fetches atomic.Int32 // of the key set

	mu     sync.Mutex
	keys   []any
	broken http.Handler // answers for everything, if set
}

// newIssuer serves on a loopback port.
func newIssuer(tb testing.TB, signers ...signer) *issuer {
	tb.Helper()
	i := new(issuer)
	web := httptest.NewServer(i)
	tb.Cleanup(web.Close)
	i.url, i.client = web.URL, web.Client()
	i.publish(signers...)
	return i
}

// newVirtualIssuer serves without a network, for virtual time.
func newVirtualIssuer(tb testing.TB, signers ...signer) *issuer {
	tb.Helper()
	i := &issuer{url: "https://issuer.example"}
	i.client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		i.ServeHTTP(w, r)
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return w.Result(), nil
	})}
	i.publish(signers...)
	return i
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (i *issuer) publish(signers ...signer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = nil
	for _, s := range signers {
		i.keys = append(i.keys, jose.JSONWebKey{Key: s.public, KeyID: s.kid, Use: "sig"})
	}
}

func (i *issuer) breakWith(h http.Handler) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken = h
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys, broken := i.keys, i.broken
	i.mu.Unlock()
	if r.URL.Path == "/keys" {
		i.fetches.Add(1)
	}
	switch {
	case broken != nil:
		broken.ServeHTTP(w, r)
	case r.URL.Path == "/.well-known/openid-configuration":
		_, _ = w.Write(encode(object{"issuer": i.url, "jwks_uri": i.url + "/keys"}))
	case r.URL.Path == "/keys":
		_, _ = w.Write(encode(object{"keys": keys}))
	default:
		http.NotFound(w, r)
	}
}

// claims are good ones, with changes; nil removes one.
func (i *issuer) claims(changes object) object {
	now := time.Now()
	return patch(object{
		"iss": i.url, "aud": resource, "sub": "ann", "scope": "read write",
		"exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
	}, changes)
}

// options accept i's tokens.
func (i *issuer) options() auth.JWTOptions {
	return auth.JWTOptions{Issuer: i.url, Audiences: []string{resource}, Client: i.client}
}

func newJWT(tb testing.TB, o auth.JWTOptions) *auth.JWT {
	tb.Helper()
	j, err := auth.NewJWT(o)
	must(tb, err)
	return j
}

// newGuard logs to the returned buffer, at debug level.
func newGuard(tb testing.TB, o auth.Options) (*auth.Guard, *bytes.Buffer) {
	tb.Helper()
	logged := new(bytes.Buffer)
	o.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.Metadata == nil {
		o.Metadata = &auth.Metadata{Resource: resource, AuthorizationServers: []string{"https://issuer.example"}}
	}
	g, err := auth.NewGuard(o)
	must(tb, err)
	return g, logged
}

func publicJWK(s signer) jose.JSONWebKey { return jose.JSONWebKey{Key: s.public, KeyID: s.kid} }

// A seen is the request that reached the handler, if one did.
type seen struct{ *http.Request }

// send lets r through g.
func send(g *auth.Guard, r *http.Request) (*httptest.ResponseRecorder, seen) {
	var s seen
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { s.Request = r })).ServeHTTP(w, r)
	return w, s
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`))
	if authorization != nil {
		r.Header["Authorization"] = authorization
	}
	return r
}

// refused checks the one form every refusal has.
func refused(tb testing.TB, w *httptest.ResponseRecorder, s seen, status int, challenge string) {
	tb.Helper()
	body := w.Body.String()
	var wire struct {
		JSONRPC string
		ID      *int
		Error   struct{ Data struct{ Type string } }
	}
	if err := json.Unmarshal([]byte(body), &wire); err != nil || wire.JSONRPC != "2.0" || wire.Error.Data.Type == "" {
		tb.Errorf("not a JSON-RPC error: %s", body)
	}
	if w.Code != status || s.Request != nil {
		tb.Errorf("status %d, handler reached: %t; want %d: %s", w.Code, s.Request != nil, status, body)
	}
	if got := w.Header().Get("WWW-Authenticate"); got != challenge {
		tb.Errorf("challenge\n got %s\nwant %s", got, challenge)
	}
}

const (
	askToken     = `Bearer resource_metadata="` + metadataURL + `"`
	invalidToken = `Bearer error="invalid_token", resource_metadata="` + metadataURL + `"`
)

func accepts(tb testing.TB, verify auth.Verifier, token string) *sdkauth.TokenInfo {
	tb.Helper()
	info, err := verify(tb.Context(), token, nil)
	if err != nil {
		tb.Fatalf("refused: %v", err)
	}
	return info
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func query(q string) *http.Request {
	r := request()
	r.URL = &url.URL{Path: "/mcp", RawQuery: q}
	return r
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) } //nolint:forbidigo // httptest wants one
