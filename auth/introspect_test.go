package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/secret"
)

// An oracle is an introspection endpoint without a network.
type oracle struct {
	asked  atomic.Int32
	mu     sync.Mutex
	tokens map[string]object
	wait   chan struct{} // answers once it is closed, if set
	status int
}

func (o *oracle) RoundTrip(r *http.Request) (*http.Response, error) {
	o.asked.Add(1)
	o.mu.Lock()
	status, wait := o.status, o.wait
	o.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	w := newRecorder()
	user, secret, _ := r.BasicAuth()
	switch {
	case user != "me%3A1" || secret != "s%2Fcret" || r.Method != http.MethodPost ||
		r.FormValue("token_type_hint") != "access_token" || r.URL.RawQuery != "":
		w.WriteHeader(http.StatusUnauthorized)
	case status != 0:
		w.WriteHeader(status)
	default:
		o.mu.Lock()
		defer o.mu.Unlock()
		if claims, ok := o.tokens[r.FormValue("token")]; ok {
			_, _ = w.Write(encode(claims))
		} else {
			_, _ = w.WriteString(`{"active":false}`)
		}
	}
	return w.Result(), nil
}

func (o *oracle) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

func (o *oracle) options() auth.IntrospectionOptions {
	return auth.IntrospectionOptions{
		URL: "https://issuer.example/introspect", Issuer: "https://issuer.example", ClientID: "me:1",
		ClientSecret: func(context.Context) (secret.Secret, error) { return secret.New("s/cret"), nil },
		Audiences:    []string{resource}, Client: &http.Client{Transport: o},
	}
}

func newIntrospection(tb testing.TB, o auth.IntrospectionOptions) *auth.Introspection {
	tb.Helper()
	i, err := auth.NewIntrospection(o)
	must(tb, err)
	return i
}

func active(changes object) object {
	return patch(object{"active": true, "sub": "ann", "aud": resource, "scope": "read write"}, changes)
}

func TestIntrospection_AcceptsWhatIsActiveAndForUs(t *testing.T) {
	now := time.Now()
	o := &oracle{tokens: map[string]object{
		"good":           active(object{"exp": now.Add(time.Hour).Unix(), "iss": "https://issuer.example", "tenant": "t"}),
		"never-expires":  active(nil),
		"expired":        active(object{"exp": now.Add(-time.Minute).Unix()}),
		"early":          active(object{"nbf": now.Add(time.Minute).Unix()}),
		"other-audience": active(object{"aud": "https://other.example"}),
		"no-audience":    active(object{"aud": nil}),
		"other-issuer":   active(object{"iss": "https://issuer.example/"}),
		"nobody":         active(object{"sub": nil}),
		"bound":          active(object{"cnf": object{"jkt": "x"}}),
		"inactive":       active(object{"active": false}),
		"says-nothing":   {"sub": "ann"},
		"says-a-text":    active(object{"active": "true"}),
	}}
	i := newIntrospection(t, o.options())
	p := auth.FromTokenInfo(accepts(t, i.Verify, "good"))
	if p.Subject != "ann" || p.Issuer != "https://issuer.example" || !p.HasScope("write") || p.Tenant != "" {
		t.Errorf("got %+v", p)
	}
	accepts(t, i.Verify, "never-expires")
	for _, token := range []string{"expired", "early", "other-audience", "no-audience", "other-issuer", "nobody", "bound", "inactive", "unknown"} {
		if _, err := i.Verify(t.Context(), token, nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
			t.Errorf("%s: %v", token, err)
		}
	}
	for _, token := range []string{"says-nothing", "says-a-text"} {
		if _, err := i.Verify(t.Context(), token, nil); mcperrors.CodeOf(err) != mcperrors.Unavailable {
			t.Errorf("%s: %v", token, err)
		}
	}
	lax := o.options()
	lax.Audiences, lax.InsecureAnyAudience = nil, true
	accepts(t, newIntrospection(t, lax).Verify, "no-audience")
}

func TestIntrospection_BelievesAnAnswerForItsTTLOrUntilExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{tokens: map[string]object{
			"good":  active(nil),
			"short": active(object{"exp": time.Now().Add(10 * time.Second).Unix()}),
		}}
		i := newIntrospection(t, o.options())
		refuse := func(token string) {
			t.Helper()
			if _, err := i.Verify(t.Context(), token, nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
				t.Errorf("%s: %v", token, err)
			}
		}
		for range 10 {
			accepts(t, i.Verify, "good")
			accepts(t, i.Verify, "short")
			refuse("bad")
		}
		if n := o.asked.Load(); n != 3 {
			t.Errorf("asked %d times", n)
		}
		o.set(func() { delete(o.tokens, "good"); o.tokens["bad"] = active(nil) })
		accepts(t, i.Verify, "good") // withdrawn, but still believed
		<-time.After(6 * time.Second)
		accepts(t, i.Verify, "bad") // known by now
		<-time.After(35 * time.Second)
		refuse("short") // beyond exp and the skew, within the TTL
		<-time.After(20 * time.Second)
		refuse("good")
	})
}

func TestIntrospection_ANegativeTTLAsksEachTime(t *testing.T) {
	o := &oracle{tokens: map[string]object{"good": active(nil)}}
	opts := o.options()
	opts.TTL = -1
	i := newIntrospection(t, opts)
	for range 3 {
		accepts(t, i.Verify, "good")
	}
	if n := o.asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestIntrospection_FailsClosedWithoutSayingWhy(t *testing.T) {
	const canary = "canary-secret"
	for name, change := range map[string]func(*oracle, *auth.IntrospectionOptions){
		"down":        func(o *oracle, _ *auth.IntrospectionOptions) { o.status = 500 },
		"redirects":   func(o *oracle, _ *auth.IntrospectionOptions) { o.status = 302 },
		"not us":      func(_ *oracle, opts *auth.IntrospectionOptions) { opts.ClientID = "other" },
		"no secret":   func(_ *oracle, opts *auth.IntrospectionOptions) { opts.ClientSecret = failing(canary) },
		"panics":      func(_ *oracle, opts *auth.IntrospectionOptions) { opts.ClientSecret = panicking(canary) },
		"unreachable": func(_ *oracle, opts *auth.IntrospectionOptions) { opts.Client = unreachable() },
	} {
		t.Run(name, func(t *testing.T) {
			o := &oracle{tokens: map[string]object{"good": active(nil)}}
			opts := o.options()
			change(o, &opts)
			g, _ := newGuard(t, auth.Options{Verify: newIntrospection(t, opts).Verify})
			w, s := send(g, request("Bearer good"))
			status := http.StatusServiceUnavailable
			if name == "panics" {
				status = http.StatusInternalServerError
			}
			refused(t, w, s, status, "")
			if strings.Contains(w.Body.String(), canary) || strings.Contains(w.Body.String(), "issuer.example") {
				t.Errorf("it tells: %s", w.Body)
			}
		})
	}
}

func failing(text string) func(context.Context) (secret.Secret, error) {
	return func(context.Context) (secret.Secret, error) { return secret.Secret{}, errors.New(text) }
}

func panicking(text string) func(context.Context) (secret.Secret, error) {
	return func(context.Context) (secret.Secret, error) { panic(text) }
}

func unreachable() *http.Client {
	return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("dial tcp: lookup issuer.example: no such host")
	})}
}

func TestIntrospection_ManyCallersShareOneQuestionThatNoneCanEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{tokens: map[string]object{"good": active(nil)}, wait: make(chan struct{})}
		i := newIntrospection(t, o.options())
		impatient, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := i.Verify(impatient, "good", nil); left <- err }()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { accepts(t, i.Verify, "good") })
		}
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that left: %v", err)
		}
		close(o.wait)
		wg.Wait()
		if n := o.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestIntrospection_AFloodOfUnknownTokensIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{wait: make(chan struct{})}
		i := newIntrospection(t, o.options())
		var exhausted atomic.Int32
		var wg sync.WaitGroup
		for n := range 200 {
			wg.Go(func() {
				_, err := i.Verify(t.Context(), fmt.Sprint("t", n), nil)
				if mcperrors.CodeOf(err) == mcperrors.Exhausted {
					exhausted.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := o.asked.Load(); n != 32 || exhausted.Load() != 200-32 {
			t.Errorf("%d questions at once, %d refused", n, exhausted.Load())
		}
		close(o.wait)
		wg.Wait()
	})
}

func TestNewIntrospection_ReportsAllMistakesTogether(t *testing.T) {
	_, err := auth.NewIntrospection(auth.IntrospectionOptions{URL: "http://issuer.example"})
	for _, want := range []string{"URL", "Issuer", "ClientSecret", "Audiences"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in: %v", want, err)
		}
	}
}
