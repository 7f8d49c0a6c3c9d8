package auth_test

import (
	"net/http"
	"testing"

	"github.com/trestle-mcp/trestle/auth"
)

func benchmarkVerify(b *testing.B, s signer, remember int) {
	b.Helper()
	i := newIssuer(b, s)
	o := i.options()
	o.Remember = remember
	j := newJWT(b, o)
	token := s.token(nil, i.claims(nil))
	accepts(b, j.Verify, token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Verify(b.Context(), token, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJWT_Remembered(b *testing.B)  { benchmarkVerify(b, rsaSigner(b, "k", "RS256"), 0) }
func BenchmarkJWT_VerifyRS256(b *testing.B) { benchmarkVerify(b, rsaSigner(b, "k", "RS256"), -1) }
func BenchmarkJWT_VerifyES256(b *testing.B) { benchmarkVerify(b, ecSigner(b, "k"), -1) }

func BenchmarkGuard_Remembered(b *testing.B) {
	s := rsaSigner(b, "k", "RS256")
	i := newIssuer(b, s)
	g, _ := newGuard(b, auth.Options{Verify: newJWT(b, i.options()).Verify})
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := request("Bearer " + s.token(nil, i.claims(nil)))
	w := newRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
