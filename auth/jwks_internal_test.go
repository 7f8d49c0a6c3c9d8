package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func jwk(tb testing.TB, key any, kid string) string {
	tb.Helper()
	data, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid})
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func TestParseKeySet_PassesOverWhatCannotVerify(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := jwk(t, &private.PublicKey, "good")
	modulus := func(bits uint) string {
		n := new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1)
		return jwk(t, &rsa.PublicKey{N: n, E: 65537}, fmt.Sprint(bits))
	}
	long := make([]byte, maxKeyID+1)
	for i := range long {
		long[i] = 'k'
	}
	for name, key := range map[string]string{
		"symmetric":    `{"kty":"oct","kid":"x","k":"AAAA"}`,
		"private":      jwk(t, private, "x"),
		"a weak RSA":   modulus(2047),
		"a slow RSA":   modulus(4097),
		"unknown kty":  `{"kty":"XX","kid":"x"}`,
		"no kty":       `{"kid":"x"}`,
		"off curve":    `{"kty":"EC","crv":"P-256","kid":"x","x":"AAAA","y":"AAAA"}`,
		"null":         `null`,
		"a number":     `7`,
		"a long name":  jwk(t, &private.PublicKey, string(long)),
		"X25519":       `{"kty":"OKP","crv":"X25519","kid":"x","x":"AAAA"}`,
		"ops mistyped": `{"kty":"EC","key_ops":"verify"}`,
	} {
		set, err := parseKeySet([]byte(`{"keys":[` + key + `,` + good + `]}`))
		if err != nil || len(set.keys) != 1 || set.keys[0].KeyID != "good" {
			t.Errorf("%s: %+v, %v", name, set, err)
		}
	}
	for _, bits := range []uint{2048, 4096} {
		if _, err := parseKeySet([]byte(`{"keys":[` + modulus(bits) + `]}`)); err != nil {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

func FuzzParseKeySet(f *testing.F) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"keys":[` + jwk(f, &private.PublicKey, "a") + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["AAAA"],"x5u":":"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet(data)
		if err != nil {
			return
		}
		for i := range set.keys {
			k := &set.keys[i]
			if !k.IsPublic() || !k.Valid() {
				t.Errorf("kept %+v", k)
			}
			if thumb, err := k.Thumbprint(crypto.SHA256); err != nil || !set.prints[string(thumb)] {
				t.Errorf("its thumbprint: %v", err)
			}
			for _, alg := range asymmetric {
				set.find(k.KeyID, alg)
			}
		}
	})
}
