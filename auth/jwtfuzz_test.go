package auth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
)

// FuzzJWT signs any header and claims with the issuer's own key: what is
// accepted must hold what makes it acceptable, as another parser reads it.
func FuzzJWT(f *testing.F) {
	s := ecSigner(f, "k")
	i := newVirtualIssuer(f, s)
	j := newJWT(f, i.options())
	f.Add([]byte(`{"alg":"ES256","kid":"k","typ":"JWT"}`), encode(i.claims(nil)))
	f.Add([]byte(`{"alg":"none"}`), []byte(`{}`))
	f.Add([]byte(`{"alg":"ES256","crit":["x"]}`), []byte(`{"iss":"https://issuer.example","aud":["a"],"exp":1e3,"sub":"\ud800"}`))
	f.Add([]byte(`{"alg":"ES256","kid":"k"}`), []byte(`{"iss":"https://issuer.example","aud":"`+resource+`","exp":253402300799,"sub":"a","roles":[1],"cnf":{"x5t#S256":"a"}}`))
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		info, err := j.Verify(t.Context(), s.raw(header, claims), nil)
		if err != nil {
			if !errors.Is(err, sdkauth.ErrInvalidToken) {
				t.Errorf("got %v", err)
			}
			return
		}
		var h, c object
		must(t, json.Unmarshal(header, &h))
		must(t, json.Unmarshal(claims, &c))
		if h["alg"] != "ES256" || h["crit"] != nil {
			t.Errorf("accepted header %s", header)
		}
		if c["iss"] != i.url || c["sub"] != info.UserID || c["exp"] == nil || !strings.Contains(string(encode(c["aud"])), resource) || c["cnf"] != nil {
			t.Errorf("accepted claims %s", claims)
		}
	})
}
