package httptool_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

const get = "tools: [{name: get, description: d, url: '/x{?to}', arguments: {to: }}, {name: post, description: d, method: POST, url: '/x{?to}', arguments: {to: }}]\n"

// redirecting sends whoever asks for a place there, with that status.
func redirecting(w http.ResponseWriter, r *http.Request) {
	if to := r.URL.Query().Get("to"); to != "" {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

func TestCall_FollowsAFewRedirectsWithinTheHost(t *testing.T) {
	u := serve(t, redirecting)
	p := u.plugin(t, get+"headers: [{name: X-Key, value: k}]\n")
	res, err := p.Call(t.Context(), "get", `{"to":"/y?to=/z%3Fto%3D/last"}`)
	if err != nil || res.IsError || u.count() != 4 || u.last(t).uri != "/last" || u.last(t).header.Get("X-Key") != "k" {
		t.Errorf("%v after %d requests: %+v", err, u.count(), u.last(t))
	}
}

func TestCall_FollowsNoRedirectAwayFromWhatIsAllowed(t *testing.T) {
	u, other := serve(t, redirecting), serve(t, nil)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("plain HTTP was used") }))
	t.Cleanup(plain.Close)
	p := u.plugin(t, get)
	for name, to := range map[string]string{
		"another host": other.URL + "/y", "another port": strings.Replace(u.URL, "127.0.0.1", "localhost", 1), "plain HTTP": plain.URL,
		"plain HTTP of the same host": strings.Replace(u.URL, "https", "http", 1), "a file": "file:///etc/passwd", "metadata": "http://169.254.169.254/latest",
		"a user": strings.Replace(u.URL, "https://", "https://a:b@", 1), "a network path": "//" + other.host() + "/y", "no URL": "https://[::1",
		"too many": strings.Repeat("/x?to=", 1) + "%2Fx%3Fto%3D%252Fx%253Fto%253D%25252Fx%25253Fto%25253D%2525252Fx", "long": "/" + strings.Repeat("x", 9000),
	} {
		before := u.count()
		_, err := p.Call(t.Context(), "get", fmt.Sprintf(`{"to":%q}`, to))
		want := "the service sent a redirect that is not followed"
		if len(to) > 8192 {
			want = "a URL of more than" // it does not even get there
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if made := u.count() - before; name != "too many" && made > 1 || made > 4 {
			t.Errorf("%s: %d requests", name, made)
		}
	}
	if other.count() != 0 {
		t.Error("the other host was asked")
	}
}

func TestCall_FollowsNoRedirectOfAPost(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/y")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	p := u.plugin(t, "tools: [{name: post, description: d, method: POST, url: /x}]\n")
	if _, err := p.Call(t.Context(), "post", `{}`); mcperrors.CodeOf(err) != mcperrors.Unavailable || u.count() != 1 {
		t.Errorf("%v after %d requests", err, u.count())
	}
}

func TestCall_TakesHeaderArgumentsToTheHostOfTheToolAlone(t *testing.T) {
	third := serve(t, nil)
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, third.URL+"/z", http.StatusFound) })
	u := serve(t, nil)
	p := u.plugin(t, fmt.Sprintf("hosts: [%q, %q]\ntools: [{name: direct, description: d, url: %q, arguments: {h: {in: header, as: X-Arg}}}]\n",
		other.host(), third.host(), other.URL+"/y"))
	_, err := p.Call(t.Context(), "direct", `{"h":"mine"}`)
	must(t, err)
	if got := other.last(t).header.Get("X-Arg"); got != "mine" {
		t.Errorf("it got %q", got)
	}
	if got := third.last(t).header.Get("X-Arg"); got != "" {
		t.Errorf("where a redirect led got %q", got)
	}
}

// A host that is listed is asked, without what signs in to the base URL.
func TestCall_TakesSecretsToTheirHostAlone(t *testing.T) {
	t.Setenv("HTTPTOOL_TEST_TOKEN", "canary-token")
	other := serve(t, nil)
	u := serve(t, redirecting)
	text := fmt.Sprintf("hosts: [%q]\nheaders: [{name: X-Key, secret: {env: HTTPTOOL_TEST_TOKEN}}]\nquery: [{name: key, secret: {env: HTTPTOOL_TEST_TOKEN}}]\n", other.host())
	text += strings.Replace(get, "tools: [", fmt.Sprintf("tools: [{name: direct, description: d, url: %q, headers: [{name: X-Own, value: own}]}, ", other.URL+"/z"), 1)
	p := u.plugin(t, text, func(o *httptool.Options) {
		o.RootCAs.AddCert(other.Certificate())
	})
	for tool, args := range map[string]string{"get": fmt.Sprintf(`{"to":%q}`, other.URL+"/y"), "direct": `{}`} {
		_, err := p.Call(t.Context(), tool, args)
		must(t, err)
		if got := other.last(t); strings.Contains(fmt.Sprint(got), "canary") || got.header.Get("X-Own") != "" || got.header.Get("Referer") != "" {
			t.Errorf("%s: %+v", tool, got)
		}
	}
	if got := u.last(t); got.header.Get("X-Key") != "canary-token" || !strings.HasSuffix(got.uri, "&key=canary-token") {
		t.Errorf("%+v", got)
	}
}

func TestCall_ReadsSecretsWhereTheyAre(t *testing.T) {
	t.Setenv("HTTPTOOL_TEST_TOKEN", " env-canary\n")
	path := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(path, []byte("file-canary\n"), 0o600))
	u := serve(t, nil)
	text := fmt.Sprintf(`
headers:
  - {name: Authorization, secret: {env: HTTPTOOL_TEST_TOKEN, prefix: "Bearer "}}
  - {name: X-File, secret: {file: %q}}
  - {name: X-Basic, secret: {env: HTTPTOOL_TEST_TOKEN, basic_user: me}}
`, path)
	p := u.plugin(t, text+get)
	_, err := p.Call(t.Context(), "get", `{}`)
	must(t, err)
	want := map[string]string{"Authorization": "Bearer env-canary", "X-File": "file-canary", "X-Basic": "Basic bWU6ZW52LWNhbmFyeQ=="}
	for name, value := range want {
		if got := u.last(t).header.Get(name); got != value {
			t.Errorf("%s: %q", name, got)
		}
	}
	must(t, os.WriteFile(path, []byte("rotated"), 0o600))
	_, err = p.Call(t.Context(), "get", `{}`)
	must(t, err)
	if got := u.last(t).header.Get("X-File"); got != "rotated" {
		t.Errorf("after a rotation: %q", got)
	}
	must(t, os.WriteFile(path, []byte("canary\r\nX-Evil: 1"), 0o600))
	before := u.count()
	_, err = p.Call(t.Context(), "get", `{}`)
	if mcperrors.CodeOf(err) != mcperrors.Unavailable || u.count() != before || strings.Contains(deep(err), "canary") {
		t.Errorf("a secret with a newline: %v", err)
	}
	must(t, os.Remove(path))
	if _, err = p.Call(t.Context(), "get", `{}`); mcperrors.CodeOf(err) != mcperrors.Unavailable || strings.Contains(err.Error(), path) {
		t.Errorf("a secret that is gone: %v", err)
	}
}

func TestNew_WantsSecretsThatAreThere(t *testing.T) {
	t.Setenv("HTTPTOOL_TEST_EMPTY", "")
	dir := t.TempDir()
	spec, err := httptool.Parse("t.yaml", fmt.Appendf(nil, `name: t
version: 1.0.0
base_url: https://a.example
headers:
  - {name: X-A, secret: {env: HTTPTOOL_TEST_EMPTY}}
  - {name: X-B, secret: {file: %q}}
  - {name: X-C, secret: {file: %q}}
`+get, dir, filepath.Join(dir, "none")))
	must(t, err)
	_, err = httptool.New(spec, nil)
	for _, want := range []string{"headers[0].secret: the secret is empty", "headers[1].secret: the secret's file is not a regular one", "headers[2].secret: stat"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in\n%v", want, err)
		}
	}
}

func TestCall_TakesSecretsOutOfAnswersAndErrors(t *testing.T) {
	const canary = `canary"&secret`
	secret := func(context.Context) (string, error) { return canary, nil }
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("to") {
		case "json":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"you":%q}`, r.Header.Get("X-Key"))
		case "text":
			fmt.Fprintf(w, "you sent %s and %s", r.Header.Get("X-Key"), r.RequestURI)
		case "bad":
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "no such key: %s", r.Header.Get("X-Key"))
		case "cut":
			panic(http.ErrAbortHandler)
		}
	})
	spec, err := httptool.Parse("t.yaml", []byte(u.head()+get))
	must(t, err)
	spec.Headers = []httptool.Field{{Name: "X-Key", Secret: &httptool.Secret{Get: secret}}}
	spec.Query = []httptool.Field{{Name: "key", Secret: &httptool.Secret{Get: secret}}}
	p, err := httptool.New(spec, &httptool.Options{RootCAs: u.pool()})
	must(t, err)
	for to, want := range map[string]string{"json": `{"you":"[redacted]"}`, "text": "you sent [redacted] and /v1/x?to=text&key=[redacted]", "bad": "no such key: [redacted]", "cut": "cannot be reached"} {
		res, err := p.Call(t.Context(), "get", fmt.Sprintf(`{"to":%q}`, to))
		text := deep(err)
		if err == nil {
			text = shown(res)
		}
		if !strings.Contains(text, want) || strings.Contains(text, "canary") {
			t.Errorf("%s: %s", to, text)
		}
	}
	u.Close()
	if _, err := p.Call(t.Context(), "get", `{}`); err == nil || strings.Contains(deep(err), "canary") {
		t.Errorf("nobody listens: %s", deep(err))
	}
	spec.Query[0].Secret.Get = func(context.Context) (string, error) { return "", errors.New("vault is sealed") }
	if _, err := p.Call(t.Context(), "get", `{}`); err != nil && strings.Contains(err.Error(), "vault") {
		t.Errorf("the caller learns of the vault: %v", err)
	}
}

// deep is all that a log may show of an error.
func deep(err error) string {
	var all []string
	for ; err != nil; err = errors.Unwrap(err) {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}

func TestCall_EndsInTime(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("to") == "body" {
			_, _ = w.Write([]byte("start"))
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	p := u.plugin(t, strings.ReplaceAll(get, "description: d,", "description: d, timeout: 50ms,"))
	for _, to := range []string{"head", "body"} {
		_, err := p.Call(t.Context(), "get", fmt.Sprintf(`{"to":%q}`, to))
		if mcperrors.CodeOf(err) != mcperrors.Timeout || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("%s: %v", to, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Call(ctx, "get", `{}`); mcperrors.CodeOf(err) != mcperrors.Canceled {
		t.Errorf("a call that was canceled: %v", err)
	}
	let()
}

func TestCall_BoundsTheConnectionsToAHost(t *testing.T) {
	var open, most atomic.Int64
	release := make(chan struct{})
	u := serve(t, func(http.ResponseWriter, *http.Request) {
		n := open.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-release
		open.Add(-1)
	})
	u.EnableHTTP2 = false
	p := u.plugin(t, get)
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			if _, err := p.Call(t.Context(), "get", `{}`); err != nil {
				t.Error(err)
			}
		})
	}
	for u.count() < httptool.MaxConns {
		<-tick(t)
	}
	close(release)
	calls.Wait()
	if got := most.Load(); got != httptool.MaxConns {
		t.Errorf("%d at once", got)
	}
}

func TestCall_ReadsNoMoreOfAnAnswerThanItMay(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return // nobody reads on
			}
		}
	})
	res, err := u.plugin(t, get+"max_response: 5000\n").Call(t.Context(), "get", `{}`)
	if code, text, _ := failure(t, res, err); code != mcperrors.Exhausted || !strings.Contains(text, "longer than 5000 bytes") {
		t.Errorf("%s %s", code, text)
	}
}

// A service that sees its caller go may end the answer properly, in the middle.
func TestCall_DoesNotTakeHalfAnAnswerForTheWhole(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := httptool.ReadUntilDone(ctx); mcperrors.CodeOf(err) != mcperrors.Timeout {
		t.Error(err)
	}
}

func TestCall_TrustsTheRootsItWasGiven(t *testing.T) {
	u := serve(t, nil)
	p := u.plugin(t, get, func(o *httptool.Options) { o.RootCAs = nil })
	if _, err := p.Call(t.Context(), "get", `{}`); mcperrors.CodeOf(err) != mcperrors.Unavailable || u.count() != 0 {
		t.Errorf("%v after %d requests", err, u.count())
	}
}

func TestNew_AsksTheHouse(t *testing.T) {
	spec, err := httptool.Parse("t.yaml", []byte("name: t\nversion: 1.0.0\nbase_url: https://a.example\naddresses: [10.0.0.0/8]\n"+get))
	must(t, err)
	_, err = httptool.New(spec, &httptool.Options{Allow: func(s *httptool.Spec) error {
		if len(s.Addresses) > 0 {
			return errors.New("no addresses of our own")
		}
		return nil
	}})
	if err == nil || !strings.Contains(err.Error(), "t: not allowed here: no addresses of our own") {
		t.Error(err)
	}
}
