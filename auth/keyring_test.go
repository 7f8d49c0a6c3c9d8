package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// answer breaks an issuer: with a status, or by hanging if it is 0.
func answer(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == 0 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
	})
}

func TestThreat28_AFloodOfUnknownKeysFetchesOnceAMinute(t *testing.T) {
	s := ecSigner(t, "k")
	evil := ecSigner(t, "")
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t, s)
		j := newJWT(t, i.options())
		good := s.token(nil, i.claims(nil))
		accepts(t, j.Verify, good)
		warm := i.fetches.Load()
		start := time.Now()
		for n := range 600 { // ten minutes, ten tokens at once each second
			var wg sync.WaitGroup
			for m := range 10 {
				wg.Go(func() {
					token := evil.token(object{"kid": fmt.Sprint("unknown", n, m)}, i.claims(nil))
					if _, err := j.Verify(t.Context(), token, nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
						t.Errorf("got %v", err)
					}
				})
			}
			wg.Wait()
			accepts(t, j.Verify, good)
			<-time.After(time.Second)
		}
		if n, most := int(i.fetches.Load()-warm), int(time.Since(start)/time.Minute); n > most || n == 0 {
			t.Errorf("%d fetches in %d minutes", n, most)
		}
	})
}

func TestThreat28_KnownKeysServeWhileTheEndpointIsDown(t *testing.T) {
	s := ecSigner(t, "k")
	for name, broken := range map[string]http.Handler{
		"500": answer(500), "404": answer(404), "hangs": answer(0),
		"no keys":    bodyOf(`{"keys":[]}`),
		"not JSON":   bodyOf(`<html>`),
		"panics":     http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("broken") }),
		"symmetric":  bodyOf(`{"keys":[{"kty":"oct","kid":"k","k":"AAAA"}]}`),
		"a null key": bodyOf(`{"keys":[null]}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newVirtualIssuer(t, s)
				o := i.options()
				o.Remember = -1 // so that each token needs the key
				j := newJWT(t, o)
				accepts(t, j.Verify, s.token(nil, i.claims(nil)))
				i.breakWith(broken)
				for range 48 {
					<-time.After(30 * time.Minute)
					before := time.Now()
					accepts(t, j.Verify, s.token(nil, i.claims(nil)))
					if time.Since(before) > 0 {
						t.Fatalf("the caller waited %v for the endpoint", time.Since(before))
					}
				}
				synctest.Wait()
				i.breakWith(nil)
				<-time.After(2 * time.Minute)
				next := ecSigner(t, "next")
				i.publish(s, next)
				accepts(t, j.Verify, next.token(nil, i.claims(nil)))
				<-time.After(11 * time.Second) // for what hangs
			})
		})
	}
}

func bodyOf(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) })
}

func TestThreat28_ColdKeysAre503WithoutAnAddress(t *testing.T) {
	s := ecSigner(t, "k")
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t, s)
		i.breakWith(answer(500))
		g, _ := newGuard(t, auth.Options{Verify: newJWT(t, i.options()).Verify})
		good := "Bearer " + s.token(nil, i.claims(nil))
		for range 20 {
			w, got := send(g, request(good))
			refused(t, w, got, http.StatusServiceUnavailable, "")
			if w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "issuer.example") {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		}
		i.breakWith(nil)
		<-time.After(2 * time.Second)
		if w, got := send(g, request(good)); got.Request == nil {
			t.Errorf("once it is up: %d %s", w.Code, w.Body)
		}
	})
}

func TestKeyring_AColdEndpointIsAskedLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t)
		i.breakWith(answer(500))
		o := i.options()
		o.KeySetURL = i.url + "/keys"
		j := newJWT(t, o)
		for range 3600 {
			if err := j.Warm(t.Context()); mcperrors.CodeOf(err) != mcperrors.Unavailable {
				t.Fatalf("got %v", err)
			}
			<-time.After(time.Second)
		}
		if n := i.fetches.Load(); n < 50 || n > 70 {
			t.Errorf("%d fetches in an hour", n)
		}
	})
}

func TestKeyring_ManyCallersShareOneFetchThatNoneCanEnd(t *testing.T) {
	s := ecSigner(t, "k")
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t, s)
		release := make(chan struct{})
		o := i.options()
		o.KeySetURL = i.url + "/keys"
		o.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			select {
			case <-release:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			return i.client.Transport.RoundTrip(r)
		})}
		j := newJWT(t, o)
		token := s.token(nil, i.claims(nil))
		impatient, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := j.Verify(impatient, token, nil); left <- err }()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { accepts(t, j.Verify, token) })
		}
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that left: %v", err)
		}
		close(release)
		wg.Wait()
		if n := i.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestKeyring_AFetchTakesTenSecondsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t)
		i.breakWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(6 * time.Second):
				_, _ = w.Write(encode(object{"issuer": i.url, "jwks_uri": i.url + "/keys"}))
			case <-r.Context().Done():
			}
		}))
		start := time.Now()
		if err := newJWT(t, i.options()).Warm(t.Context()); err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestThreat29_ARotationIsSeenAtOnceAndAWithdrawnKeyIsDead(t *testing.T) {
	old, next := ecSigner(t, "old"), ecSigner(t, "new")
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t, old)
		j := newJWT(t, i.options())
		first := old.token(nil, i.claims(nil))
		accepts(t, j.Verify, first)

		i.publish(old, next) // in mid flight: many come with the new key at once
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() { accepts(t, j.Verify, next.token(nil, i.claims(object{"jti": fmt.Sprint(n)}))) })
		}
		wg.Wait()
		accepts(t, j.Verify, first)

		i.publish(next)
		<-time.After(16 * time.Minute)
		accepts(t, j.Verify, next.token(nil, i.claims(nil))) // starts the refresh
		synctest.Wait()
		if _, err := j.Verify(t.Context(), first, nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
			t.Errorf("a remembered token of a withdrawn key: %v", err)
		}
	})
}

func TestThreat29_AnotherKeyOfTheSameNameIsAnotherKey(t *testing.T) {
	stolen, fresh := ecSigner(t, "k"), ecSigner(t, "k")
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t, stolen)
		j := newJWT(t, i.options())
		token := stolen.token(nil, i.claims(nil))
		accepts(t, j.Verify, token)
		i.publish(fresh)
		<-time.After(16 * time.Minute)
		accepts(t, j.Verify, token) // the refresh is in the background
		synctest.Wait()
		if _, err := j.Verify(t.Context(), token, nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
			t.Errorf("got %v", err)
		}
		accepts(t, j.Verify, fresh.token(nil, i.claims(nil)))
	})
}

func TestThreat29_HugeKeySetsAndRedirectsAreRefused(t *testing.T) {
	s := ecSigner(t, "k")
	trap := newIssuer(t, s)
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[`))
		chunk := []byte(strings.Repeat(" ", 1<<16))
		for n := 0; n < 100<<20; n += len(chunk) { // 100 MB
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		t.Error("all of it was read")
	})
	many := `{"keys":[` + strings.Repeat(`{"kty":"oct"},`, 200) + string(encode(publicJWK(s))) + `]}`
	for name, h := range map[string]http.Handler{
		"100 MB":                   endless,
		"a link-local address":     http.RedirectHandler("http://169.254.169.254/latest/meta-data", http.StatusFound),
		"another host":             http.RedirectHandler(trap.url+"/keys", http.StatusTemporaryRedirect),
		"200 keys":                 bodyOf(many),
		"another issuer's answers": bodyOf(string(encode(object{"issuer": "https://evil.example", "jwks_uri": trap.url + "/keys"}))),
		"keys at a plain address":  bodyOf(`{"issuer":"ISSUER","jwks_uri":"http://169.254.169.254/keys"}`),
		"keys in a file":           bodyOf(`{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}`),
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, s)
			i.breakWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(name, "keys ") {
					_, _ = w.Write([]byte(strings.Replace(`{"issuer":"ISSUER","jwks_uri":"`+map[string]string{
						"keys at a plain address": "http://169.254.169.254/keys", "keys in a file": "file:///etc/passwd",
					}[name]+`"}`, "ISSUER", i.url, 1)))
					return
				}
				h.ServeHTTP(w, r)
			}))
			o := i.options()
			if name == "100 MB" || name == "200 keys" || name == "another host" {
				o.KeySetURL = i.url + "/keys"
			}
			if err := newJWT(t, o).Warm(t.Context()); mcperrors.CodeOf(err) != mcperrors.Unavailable {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := trap.fetches.Load(); n != 0 {
		t.Errorf("the trap was asked %d times", n)
	}
}

func TestDiscovery_FallsBackToRFC8414(t *testing.T) {
	s := ecSigner(t, "k")
	i := newIssuer(t, s)
	base := i.url
	i.url += "/tenant"
	keys := base + "/keys"
	i.breakWith(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/oauth-authorization-server/tenant":
			_, _ = w.Write(encode(object{"issuer": i.url, "jwks_uri": keys}))
		case "/keys":
			_, _ = w.Write(encode(object{"keys": i.keys}))
		default:
			http.NotFound(w, r)
		}
	}))
	accepts(t, newJWT(t, i.options()).Verify, s.token(nil, i.claims(nil)))
}

func TestJWT_RememberedTokensStillExpire(t *testing.T) {
	s := ecSigner(t, "k")
	synctest.Test(t, func(t *testing.T) {
		i := newVirtualIssuer(t, s)
		j := newJWT(t, i.options())
		token := s.token(nil, i.claims(object{"exp": time.Now().Add(time.Minute).Unix()}))
		for range 8 {
			accepts(t, j.Verify, token)
			<-time.After(11 * time.Second)
		}
		<-time.After(3 * time.Second)
		for range 2 {
			if _, err := j.Verify(t.Context(), token, nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
				t.Errorf("after %v: %v", "91s", err)
			}
		}
	})
}
