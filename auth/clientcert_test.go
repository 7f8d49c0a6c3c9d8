package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
)

// An authority signs client certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	a := authority{key: key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(tb, err)
	a.cert, err = x509.ParseCertificate(der)
	must(tb, err)
	return a
}

func (a authority) issue(tb testing.TB, lives time.Duration, uris ...string) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lives),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, raw := range uris {
		u, err := url.Parse(raw)
		must(tb, err)
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	must(tb, err)
	parsed, err := x509.ParseCertificate(der)
	must(tb, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}
}

func leaf(tb testing.TB, uris ...string) *x509.Certificate {
	tb.Helper()
	return newAuthority(tb).issue(tb, time.Hour, uris...).Leaf
}

// connection is one whose certificate was verified.
func connection(leaf *x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}},
	}
}

func thumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return b64(sum[:])
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func TestClientCertificate_NamesTheCallerOverRealTLS(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	g, _ := newGuard(t, auth.Options{Certificate: auth.SPIFFE})
	web := httptest.NewUnstartedServer(g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.PrincipalFrom(r.Context())
		_, _ = io.WriteString(w, p.Key())
	})))
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	web.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	web.Config.ErrorLog = discardLog()
	web.StartTLS()
	defer web.Close()
	ask := func(header string, certs ...tls.Certificate) (int, string, error) {
		client := web.Client()
		transport := client.Transport.(*http.Transport).Clone()
		defer transport.CloseIdleConnections()
		transport.TLSClientConfig.Certificates = certs
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL, http.NoBody)
		must(t, err)
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	good := ours.issue(t, time.Hour, "spiffe://example.org/billing")
	if status, body, err := ask("", good); err != nil || status != 200 || body != `"spiffe://example.org""spiffe://example.org/billing"` {
		t.Errorf("a good one: %d %s %v", status, body, err)
	}
	for name, c := range map[string]struct {
		header string
		certs  []tls.Certificate
	}{
		"none":               {},
		"no SPIFFE id":       {certs: []tls.Certificate{ours.issue(t, time.Hour, "https://example.org/x")}},
		"beside a bad token": {"Bearer x", []tls.Certificate{good}},
		"beside Basic":       {"Basic eDp5", []tls.Certificate{good}},
	} {
		if status, body, err := ask(c.header, c.certs...); err != nil || status != 401 {
			t.Errorf("%s: %d %s %v", name, status, body, err)
		}
	}
	if status, _, err := ask("", foreign.issue(t, time.Hour, "spiffe://example.org/billing")); err == nil && status == 200 {
		t.Error("a certificate of another authority was taken")
	}
}

func TestClientCertificate_OnlyAVerifiedOneThatHasNotExpired(t *testing.T) {
	g, _ := newGuard(t, auth.Options{Certificate: auth.SPIFFE})
	r := request()
	r.TLS = connection(leaf(t, "spiffe://example.org/a"))
	r.TLS.VerifiedChains = nil
	w, s := send(g, r)
	refused(t, w, s, http.StatusUnauthorized, askToken)

	r.TLS = connection(newAuthority(t).issue(t, -time.Minute, "spiffe://example.org/a").Leaf)
	w, s = send(g, r)
	refused(t, w, s, http.StatusUnauthorized, invalidToken)

	for name, f := range map[string]func(*x509.Certificate) (*auth.Principal, error){
		"panics":    func(*x509.Certificate) (*auth.Principal, error) { panic("x") },
		"no answer": func(*x509.Certificate) (*auth.Principal, error) { return nil, nil },
	} {
		g, _ := newGuard(t, auth.Options{Certificate: f})
		r.TLS = connection(leaf(t))
		w, s := send(g, r)
		t.Run(name, func(t *testing.T) { refused(t, w, s, http.StatusInternalServerError, "") })
	}
}

func TestSPIFFE_TakesOneIdAndNothingElse(t *testing.T) {
	for name, uris := range map[string][]string{
		"none": nil, "two": {"spiffe://a.example/x", "spiffe://a.example/y"}, "https": {"https://a.example/x"},
		"no path": {"spiffe://a.example"}, "only a slash": {"spiffe://a.example/"}, "a query": {"spiffe://a.example/x?y"},
		"a user": {"spiffe://u@a.example/x"}, "a port": {"spiffe://a.example:1/x"}, "no domain": {"spiffe:///x"}, "a fragment": {"spiffe://a.example/x#y"},
	} {
		if p, err := auth.SPIFFE(leaf(t, uris...)); !errors.Is(err, sdkauth.ErrInvalidToken) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}
