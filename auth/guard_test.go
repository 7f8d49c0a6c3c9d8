package auth_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// knows accepts the token "good" and nothing else.
func knows(info sdkauth.TokenInfo) auth.Verifier {
	return func(_ context.Context, token string, _ *http.Request) (*sdkauth.TokenInfo, error) {
		if token != "good" {
			return nil, sdkauth.ErrInvalidToken
		}
		return &info, nil
	}
}

func fails(err error) auth.Verifier {
	return func(context.Context, string, *http.Request) (*sdkauth.TokenInfo, error) { return nil, err }
}

var ann = sdkauth.TokenInfo{UserID: "ann", Scopes: []string{"read"}}

func TestThreat23_OneBearerTokenInTheHeaderOrNone(t *testing.T) {
	asked := 0
	count := func(ctx context.Context, token string, r *http.Request) (*sdkauth.TokenInfo, error) {
		asked++
		return knows(ann)(ctx, token, r)
	}
	g, _ := newGuard(t, auth.Options{Verify: count})
	withQuery := query("access_token=good")
	both := query("a=b&access%5Ftoken=good")
	both.Header.Set("Authorization", "Bearer good")
	for name, c := range map[string]struct {
		r         *http.Request
		challenge string
	}{
		"none":                   {request(), askToken},
		"Basic":                  {request("Basic Z29vZDpnb29k"), invalidToken},
		"DPoP":                   {request("DPoP good"), invalidToken},
		"two headers":            {request("Bearer good", "Bearer good"), invalidToken},
		"two in one":             {request("Bearer good, Bearer good"), invalidToken},
		"in the query":           {withQuery, invalidToken},
		"in the query, too":      {both, invalidToken},
		"no token":               {request("Bearer"), invalidToken},
		"blank token":            {request("Bearer  "), invalidToken},
		"trailing blank":         {request("Bearer good "), invalidToken},
		"a tab":                  {request("Bearer\tgood"), invalidToken},
		"glued":                  {request("Bearergood"), invalidToken},
		"empty header":           {request(""), invalidToken},
		"not a token":            {request(`Bearer "good"`), invalidToken},
		"not ASCII":              {request("Bearer göod"), invalidToken},
		"17 KiB":                 {request("Bearer " + strings.Repeat("a", 17<<10)), invalidToken},
		"only padding":           {request("Bearer ==="), invalidToken},
		"lower case, then wrong": {request("bearer bad"), invalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			asked = 0
			w, s := send(g, c.r)
			refused(t, w, s, http.StatusUnauthorized, c.challenge)
			if asked > 0 != (name == "lower case, then wrong") {
				t.Errorf("the verifier was asked %d times", asked)
			}
		})
	}
	for _, value := range []string{"Bearer good", "bearer good", "BEARER   good"} {
		if w, s := send(g, request(value)); s.Request == nil {
			t.Errorf("%q: %d %s", value, w.Code, w.Body)
		}
	}
}

func TestThreat30_MissingScopesAreNamedAllAtOnce(t *testing.T) {
	g, _ := newGuard(t, auth.Options{Verify: knows(ann), Scopes: []string{"read", "write", "admin"}})
	w, s := send(g, request("Bearer good"))
	body := w.Body.String()
	refused(t, w, s, http.StatusForbidden,
		`Bearer error="insufficient_scope", scope="read write admin", resource_metadata="`+metadataURL+`"`)
	if !strings.Contains(body, `"scopes":["read","write","admin"]`) {
		t.Errorf("the body does not name them: %s", body)
	}
	w, s = send(g, request())
	refused(t, w, s, http.StatusUnauthorized, `Bearer scope="read write admin", resource_metadata="`+metadataURL+`"`)
}

func TestThreat30_AMissingRoleIsNoChallenge(t *testing.T) {
	role := mcperrors.Errorf(mcperrors.Authorization, "not for you")
	g, _ := newGuard(t, auth.Options{Verify: fails(role), Scopes: []string{"read"}})
	w, s := send(g, request("Bearer good"))
	refused(t, w, s, http.StatusForbidden, "")
}

func TestThreat31_NoHandlerSeesTheToken(t *testing.T) {
	g, _ := newGuard(t, auth.Options{Verify: knows(ann)})
	r := request("Bearer good")
	r.Header.Set("Proxy-Authorization", "Basic canary")
	r.Header.Set("Cookie", "session=canary")
	r.Header.Set("Mcp-Session-Id", "kept")
	w, s := send(g, r)
	if s.Request == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, values := range s.Header {
		if strings.Contains(strings.Join(values, " "), "good") || strings.Contains(strings.Join(values, " "), "canary") {
			t.Errorf("the handler sees %s: %s", name, values)
		}
	}
	if s.Header.Get("Mcp-Session-Id") != "kept" {
		t.Error("another header is gone")
	}
	if len(r.Header["Authorization"]) != 1 || r.Header.Get("Cookie") == "" {
		t.Error("the request of what wraps the guard was changed")
	}
}

func TestGuard_PutsTheCallerIntoTheContextForBothFrameworks(t *testing.T) {
	info := ann
	info.Extra = map[string]any{"iss": "https://i", "roles": []string{"ops"}, "tenant": "t1"}
	info.Expiration = time.Now().Add(-10 * time.Second) // within the skew
	g, _ := newGuard(t, auth.Options{Verify: knows(info)})
	_, s := send(g, request("Bearer good"))
	p, ok := auth.PrincipalFrom(s.Context())
	if !ok || p.Subject != "ann" || p.Issuer != "https://i" || p.Tenant != "t1" || !p.HasRole("ops") || !p.HasScope("read") {
		t.Errorf("principal %+v", p)
	}
	if ti := sdkauth.TokenInfoFromContext(s.Context()); ti == nil || ti.UserID != "ann" || !ti.Expiration.Equal(info.Expiration) {
		t.Errorf("go-sdk's info %+v", ti)
	}
}

func TestGuard_RefusesWhatAVerifierForgotToCheck(t *testing.T) {
	for name, info := range map[string]sdkauth.TokenInfo{
		"nobody":  {Scopes: []string{"read"}},
		"expired": {UserID: "ann", Expiration: time.Now().Add(-time.Minute)},
	} {
		g, _ := newGuard(t, auth.Options{Verify: knows(info)})
		w, s := send(g, request("Bearer good"))
		t.Run(name, func(t *testing.T) { refused(t, w, s, http.StatusUnauthorized, invalidToken) })
	}
}

func TestGuard_TellsNoCauseAndLogsNoToken(t *testing.T) {
	const token, cause = "eyJcanarytokencanary", "dial tcp 10.0.0.7:443"
	wrap := func(err error) error { return errors.Join(err, errors.New(cause+" "+token)) }
	panics := func(context.Context, string, *http.Request) (*sdkauth.TokenInfo, error) { panic(cause + token) }
	for name, c := range map[string]struct {
		verify auth.Verifier
		status int
		after  string
		want   string
	}{
		"invalid":      {verify: fails(wrap(sdkauth.ErrInvalidToken)), status: 401, want: invalidToken},
		"oauth":        {verify: fails(wrap(sdkauth.ErrOAuth)), status: 400},
		"unknown":      {verify: fails(wrap(errors.New("broken"))), status: 500},
		"no answer":    {verify: fails(nil), status: 500},
		"panic":        {verify: panics, status: 500},
		"unavailable":  {verify: fails(&mcperrors.Error{Code: mcperrors.Unavailable, Cause: errors.New(cause), RetryAfter: 1500 * time.Millisecond}), status: 503, after: "2"},
		"rate limited": {verify: fails(&mcperrors.Error{Code: mcperrors.RateLimited, Cause: errors.New(cause), RetryAfter: time.Second}), status: 429, after: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			g, log := newGuard(t, auth.Options{Verify: c.verify})
			w, s := send(g, request("Bearer "+token))
			refused(t, w, s, c.status, c.want)
			if answer := w.Body.String(); strings.Contains(answer, "10.0.0.7") || strings.Contains(answer, token) {
				t.Errorf("the answer tells: %s", answer)
			}
			if w.Header().Get("Retry-After") != c.after {
				t.Errorf("Retry-After %q, want %q", w.Header().Get("Retry-After"), c.after)
			}
			if strings.Contains(log.String(), token) || !strings.Contains(log.String(), "reason=") {
				t.Errorf("log: %s", log)
			}
			level := map[int]string{500: "ERROR", 503: "WARN"}[c.status]
			if !strings.Contains(log.String(), "level="+cmp.Or(level, "DEBUG")) {
				t.Errorf("level: %s", log)
			}
		})
	}
}

func TestGuard_AnswersACallerThatLeft(t *testing.T) {
	g, _ := newGuard(t, auth.Options{Verify: func(ctx context.Context, _ string, _ *http.Request) (*sdkauth.TokenInfo, error) {
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w, s := send(g, request("Bearer good").WithContext(ctx))
	refused(t, w, s, 499, "")
}

func TestThreat16_NoForwardedHeaderChangesWhatIsSaid(t *testing.T) {
	g, _ := newGuard(t, auth.Options{Verify: knows(ann)})
	r := request()
	r.Host = "evil.example"
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "Forwarded", "X-Forwarded-Client-Cert", "X-Client-Cert", "X-Forwarded-User"} {
		r.Header.Set(name, "evil.example")
	}
	w, s := send(g, r)
	refused(t, w, s, http.StatusUnauthorized, askToken)
}

func TestNewGuard_ReportsAllMistakesTogether(t *testing.T) {
	_, err := auth.NewGuard(auth.Options{MaxTokenBytes: -1, Scopes: []string{"a b"}, Metadata: &auth.Metadata{Resource: "http://mcp.example"}})
	for _, want := range []string{"nobody could call", "MaxTokenBytes", "Scopes", "Metadata.Resource", "AuthorizationServers"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestAnyOf_AsksInOrder(t *testing.T) {
	down := mcperrors.Errorf(mcperrors.Unavailable, "down")
	bob := sdkauth.TokenInfo{UserID: "bob"}
	for name, c := range map[string]struct {
		verify auth.Verifier
		user   string
		code   mcperrors.Code // of the error; "" for an invalid token
	}{
		"the first that knows":            {verify: auth.AnyOf(fails(sdkauth.ErrInvalidToken), knows(ann), knows(bob)), user: "ann"},
		"one that is down does not block": {verify: auth.AnyOf(fails(down), knows(ann)), user: "ann"},
		"but nobody knows what it knew":   {verify: auth.AnyOf(fails(down), fails(sdkauth.ErrInvalidToken)), code: mcperrors.Unavailable},
		"all refuse":                      {verify: auth.AnyOf(fails(sdkauth.ErrInvalidToken))},
		"none":                            {verify: auth.AnyOf()},
		"no answer is a fault":            {verify: auth.AnyOf(fails(nil)), code: mcperrors.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			info, err := c.verify(t.Context(), "good", nil)
			switch {
			case c.user != "" && (err != nil || info.UserID != c.user):
				t.Errorf("got %+v, %v", info, err)
			case c.user == "" && c.code == "" && !errors.Is(err, sdkauth.ErrInvalidToken):
				t.Errorf("got %v", err)
			case c.code != "" && mcperrors.CodeOf(err) != c.code:
				t.Errorf("got %v", err)
			}
		})
	}
}
