package auth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
)

// hostile is a token and what the log says of it.
type hostile struct {
	token  string
	reason string
}

// refusesAll sends each token through a guard, beside a good one that passes.
func refusesAll(t *testing.T, o auth.JWTOptions, good string, tokens map[string]hostile) {
	t.Helper()
	g, log := newGuard(t, auth.Options{Verify: newJWT(t, o).Verify})
	if w, s := send(g, request("Bearer "+good)); s.Request == nil {
		t.Fatalf("the good token: %d %s %s", w.Code, w.Body, log)
	}
	for name, c := range tokens {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			w, s := send(g, request("Bearer "+c.token))
			refused(t, w, s, http.StatusUnauthorized, invalidToken)
			if !strings.Contains(log.String(), c.reason) {
				t.Errorf("refused for another reason: %s", log)
			}
		})
	}
}

func TestThreat24_TimesAndIssuer(t *testing.T) {
	s := ecSigner(t, "k")
	i := newIssuer(t, s)
	now := time.Now()
	with := func(changes object) string { return s.token(nil, i.claims(changes)) }
	refusesAll(t, i.options(), with(nil), map[string]hostile{
		"expired":                {with(object{"exp": now.Add(-31 * time.Second).Unix()}), "expired"},
		"no expiry":              {with(object{"exp": nil}), "without expiry"},
		"expiry null":            {s.token(nil, withNull(i.claims(nil), "exp")), "not dates"},
		"expiry in words":        {with(object{"exp": "2099-01-01"}), "not dates"},
		"expiry as text":         {with(object{"exp": "4070908800"}), "not dates"},
		"expiry out of range":    {with(object{"exp": json.Number("1e300")}), "not dates"},
		"expiry beyond all":      {with(object{"exp": json.Number("9223372036854775807")}), "not dates"},
		"expiry negative":        {with(object{"exp": -1}), "not dates"},
		"not yet valid":          {with(object{"nbf": now.Add(40 * time.Second).Unix()}), "not yet valid"},
		"issued in the future":   {with(object{"iat": now.Add(40 * time.Second).Unix()}), "in the future"},
		"iat of another kind":    {with(object{"iat": true}), "not dates"},
		"other issuer":           {with(object{"iss": "https://evil.example"}), "another issuer"},
		"issuer with slash":      {with(object{"iss": i.url + "/"}), "another issuer"},
		"issuer in capitals":     {with(object{"iss": strings.ToUpper(i.url)}), "another issuer"},
		"issuer in a list":       {with(object{"iss": []string{i.url}}), "another issuer"},
		"issuer is an object":    {with(object{"iss": object{"a": 1}}), "another issuer"},
		"no issuer":              {with(object{"iss": nil}), "another issuer"},
		"issuer as Iss":          {with(object{"iss": nil, "Iss": i.url}), "another issuer"},
		"issuer twice":           {s.raw(encode(object{"alg": "ES256", "kid": "k"}), []byte(`{"iss":"x","iss":"`+i.url+`"}`)), "not one JSON object"},
		"no subject":             {with(object{"sub": nil}), "without subject"},
		"empty subject":          {with(object{"sub": ""}), "without subject"},
		"subject is a number":    {with(object{"sub": 7}), "without subject"},
		"claims are a list":      {s.raw(encode(object{"alg": "ES256", "kid": "k"}), []byte(`[]`)), "not one JSON object"},
		"claims are null":        {s.raw(encode(object{"alg": "ES256", "kid": "k"}), []byte(`null`)), "another issuer"},
		"claims nest deep":       {s.raw(encode(object{"alg": "ES256", "kid": "k"}), []byte(`{"a":`+strings.Repeat("[", 17)+strings.Repeat("]", 17)+`}`)), "not one JSON object"},
		"claims are not JSON":    {s.raw(encode(object{"alg": "ES256", "kid": "k"}), []byte(`{{{`)), "not one JSON object"},
		"claims have junk after": {s.raw(encode(object{"alg": "ES256", "kid": "k"}), append(encode(i.claims(nil)), "{}"...)), "not one JSON object"},
	})
	for name, changes := range map[string]object{
		"expired within the skew":  {"exp": now.Add(-20 * time.Second).Unix()},
		"early within the skew":    {"nbf": now.Add(20 * time.Second).Unix(), "iat": now.Add(20 * time.Second).Unix()},
		"fractions of a second":    {"exp": float64(now.Add(time.Minute).UnixMilli()) / 1000},
		"neither nbf nor iat":      {"nbf": nil, "iat": nil},
		"exact at a large expiry":  {"exp": 253402300799},
		"scopes in scp":            {"scope": nil, "scp": []string{"read"}},
		"claims that nobody knows": {"deep": object{"a": []int{1}}},
	} {
		t.Run(name, func(t *testing.T) { accepts(t, newJWT(t, i.options()).Verify, with(changes)) })
	}
}

func withNull(o object, name string) object {
	o[name] = nil
	return o
}

func TestThreat25_TheAudienceIsThisServer(t *testing.T) {
	s := ecSigner(t, "k")
	i := newIssuer(t, s)
	with := func(aud any) string { return s.token(nil, i.claims(object{"aud": aud})) }
	refusesAll(t, i.options(), with([]string{"https://other.example", resource}), map[string]hostile{
		"none":          {with(nil), "audience"},
		"another":       {with("https://other.example"), "audience"},
		"a prefix":      {with("https://mcp.example"), "audience"},
		"a longer one":  {with(resource + "/admin"), "audience"},
		"with a slash":  {with(resource + "/"), "audience"},
		"in capitals":   {with("https://MCP.example/mcp"), "audience"},
		"an empty list": {with([]string{}), "audience"},
		"not all texts": {with([]any{resource, 1}), "audience"},
		"an object":     {with(object{resource: true}), "audience"},
		"joined":        {with("https://other.example " + resource), "audience"},
	})
}

func TestNewJWT_NeedsAnAudienceAndReportsAllMistakes(t *testing.T) {
	_, err := auth.NewJWT(auth.JWTOptions{
		Issuer: "http://issuer.example", KeySetURL: "ftp://x", Skew: time.Hour, KeyRefresh: time.Second,
		Algorithms: []string{"RS256", "HS256", "none"},
	})
	for _, want := range []string{"Issuer", "KeySetURL", "Audiences", "Skew", "KeyRefresh", `"HS256"`, `"none"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in: %v", want, err)
		}
	}
	if _, err := auth.NewJWT(auth.JWTOptions{Issuer: "https://i.example", Audiences: []string{""}}); err == nil {
		t.Error("an empty audience")
	}
}

func TestThreat26_AlgorithmsAndHeaders(t *testing.T) {
	s, r := ecSigner(t, "ec"), rsaSigner(t, "rsa", "RS256")
	i := newIssuer(t, s, r)
	claims := i.claims(nil)
	with := func(header object) string { return s.token(header, claims) }
	unsigned := func(alg string) string {
		return b64(encode(object{"alg": alg, "kid": "rsa", "typ": "at+jwt"})) + "." + b64(encode(claims)) + "."
	}
	parts := strings.Split(with(nil), ".")
	head, body, signature := parts[0], parts[1], parts[2]
	const alg, header = "accepted algorithm", "critical"
	tokens := map[string]hostile{
		"HS256 with the RSA public key": {hmacSigner(t, "rsa").token(nil, claims), alg},
		"HS256 said of an RSA token":    {r.token(object{"alg": "HS256"}, claims), alg},
		"PS256 said of an RS256 token":  {r.token(object{"alg": "PS256"}, claims), "not signed"},
		"RS256 with an EC key":          {s.token(object{"alg": "RS256"}, claims), "not signed"},
		"ES384 with a P-256 key":        {with(object{"alg": "ES384"}), "not signed"},
		"EdDSA with an EC key":          {with(object{"alg": "EdDSA"}), "not signed"},
		"no alg":                        {with(object{"alg": nil}), alg},
		"alg is a list":                 {with(object{"alg": []string{"ES256"}}), alg},
		"alg in lower case":             {with(object{"alg": "es256"}), alg},
		"ML-DSA":                        {with(object{"alg": "ML-DSA-65"}), alg},
		"unknown crit":                  {with(object{"crit": []string{"exp"}, "exp": 1}), header},
		"crit b64":                      {with(object{"crit": []string{"b64"}, "b64": false}), header},
		"crit b64 true":                 {with(object{"crit": []string{"b64"}, "b64": true}), header},
		"empty crit":                    {with(object{"crit": []string{}}), header},
		"typ of a logout":               {with(object{"typ": "logout+jwt"}), "typ"},
		"typ of a proof":                {with(object{"typ": "dpop+jwt"}), "typ"},
		"typ is a number":               {with(object{"typ": 1}), "invalid token"},
		"alg twice":                     {s.raw([]byte(`{"alg":"none","alg":"ES256","kid":"ec"}`), encode(claims)), alg},
		"header is a list":              {s.raw([]byte(`[]`), encode(claims)), alg},
		"JSON form":                     {"eyJ9", alg},
		"four parts":                    {with(nil) + ".x", alg},
		"nine thousand dots":            {strings.Repeat(".", 9000), alg},
		"signature cut":                 {with(nil)[:len(with(nil))-4], "not signed"},
		"no signature":                  {strings.TrimRight(with(nil), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), "not signed"},
		"other claims under it":         {head + "." + b64(encode(i.claims(object{"sub": "root"}))) + "." + signature, "not signed"},
		"zero signature":                {head + "." + body + "." + b64(make([]byte, 64)), "not signed"},
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "", " none"} {
		tokens["alg "+none] = hostile{unsigned(none), alg}
	}
	refusesAll(t, i.options(), with(nil), tokens)

	es := i.options()
	es.Algorithms, es.Types = []string{"ES256"}, []string{"application/at+jwt"}
	refusesAll(t, es, with(nil), map[string]hostile{
		"a good one of another algorithm": {r.token(nil, claims), alg},
		"typ JWT":                         {with(object{"typ": "JWT"}), "typ"},
		"no typ":                          {with(object{"typ": nil}), "typ"},
	})
}

func TestJWT_AcceptsEachAlgorithmAndType(t *testing.T) {
	signers := []signer{ecSigner(t, "a"), edSigner(t, "b"), rsaSigner(t, "c", "RS256"), rsaSigner(t, "c", "PS256")}
	i := newIssuer(t, signers[:3]...)
	j := newJWT(t, i.options())
	for _, s := range signers {
		accepts(t, j.Verify, s.token(nil, i.claims(nil)))
	}
	for _, typ := range []any{"JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT", nil} {
		accepts(t, j.Verify, signers[0].token(object{"typ": typ}, i.claims(nil)))
	}
}

func TestJWT_KeysAreOnlyForWhatTheySay(t *testing.T) {
	s := ecSigner(t, "k")
	for name, key := range map[string]object{
		"for encryption":        {"use": "enc"},
		"for another algorithm": {"alg": "ES384"},
		"for signing only":      {"key_ops": []string{"sign"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, s, edSigner(t, "other"))
			i.mu.Lock()
			var published object
			must(t, json.Unmarshal(encode(i.keys[0]), &published))
			i.keys[0] = patch(published, key)
			i.mu.Unlock()
			_, err := newJWT(t, i.options()).Verify(t.Context(), s.token(nil, i.claims(nil)), nil)
			if !errors.Is(err, sdkauth.ErrInvalidToken) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestThreat27_NoKeyComesFromTheToken(t *testing.T) {
	evil, s := ecSigner(t, "evil"), ecSigner(t, "k")
	trap := newIssuer(t, evil)
	i := newIssuer(t, s)
	jwk := object{"kty": "EC"}
	must(t, json.Unmarshal(encode(publicJWK(evil)), &jwk))
	claims := i.claims(nil)
	with := func(header object) string { return evil.token(header, claims) }
	refusesAll(t, i.options(), s.token(object{"jku": trap.url + "/keys", "x5u": trap.url + "/x"}, claims), map[string]hostile{
		"jku":                 {with(object{"jku": trap.url + "/keys"}), "not signed"},
		"jku, the good kid":   {with(object{"jku": trap.url + "/keys", "kid": "k"}), "not signed"},
		"x5u":                 {with(object{"x5u": trap.url + "/cert", "kid": "k"}), "not signed"},
		"embedded jwk":        {with(object{"jwk": jwk, "kid": "k"}), "not signed"},
		"embedded jwk, no id": {with(object{"jwk": jwk, "kid": nil}), "not signed"},
		"embedded x5c":        {with(object{"x5c": []string{"AAAA"}, "kid": "k"}), "accepted algorithm"},
		"kid is a path":       {with(object{"kid": "../../../../dev/null"}), "not signed"},
		"kid is SQL":          {with(object{"kid": "k' UNION SELECT 'x"}), "not signed"},
		"kid is a URL":        {with(object{"kid": trap.url + "/keys"}), "not signed"},
		"kid of 300 bytes":    {with(object{"kid": strings.Repeat("k", 300)}), "kid is too long"},
		"kid of 1 MB":         {with(object{"kid": strings.Repeat("k", 1<<20)}), "too long"},
		"kid is a number":     {with(object{"kid": 1}), "accepted algorithm"},
		"kid has a NUL":       {with(object{"kid": "k\x00"}), "not signed"},
	})
	if n := trap.fetches.Load(); n != 0 {
		t.Errorf("the address in a token was asked %d times", n)
	}
}

func TestJWT_ATokenWithoutKidMustLeaveNoChoice(t *testing.T) {
	a, b := ecSigner(t, "a"), ecSigner(t, "b")
	one, two := newIssuer(t, a), newIssuer(t, a, b)
	none := object{"kid": nil}
	accepts(t, newJWT(t, one.options()).Verify, a.token(none, one.claims(nil)))
	if _, err := newJWT(t, two.options()).Verify(t.Context(), a.token(none, two.claims(nil)), nil); !errors.Is(err, sdkauth.ErrInvalidToken) {
		t.Errorf("got %v", err)
	}
}

func TestJWT_MapsClaimsToThePrincipal(t *testing.T) {
	s := ecSigner(t, "k")
	i := newIssuer(t, s)
	o := i.options()
	o.RolesClaim, o.TenantClaim = "/realm_access/roles", "https://example.com/tenant"
	token := s.token(nil, i.claims(object{
		"realm_access": object{"roles": []string{"ops", "dev"}}, "roles": []string{"not these"}, "tenant": "not this",
		"https://example.com/tenant": "t1", "account": json.Number("9007199254740993"),
	}))
	p := auth.FromTokenInfo(accepts(t, newJWT(t, o).Verify, token))
	if !slices.Equal(p.Roles, []string{"ops", "dev"}) || p.Tenant != "t1" || p.Issuer != i.url || p.Subject != "ann" ||
		!slices.Equal(p.Scopes, []string{"read", "write"}) {
		t.Errorf("got %+v", p)
	}
	if p.Claims["account"] != json.Number("9007199254740993") {
		t.Errorf("a number was rounded: %v", p.Claims["account"])
	}

	plain := auth.FromTokenInfo(accepts(t, newJWT(t, i.options()).Verify, token))
	if plain.Tenant != "" || !slices.Equal(plain.Roles, []string{"not these"}) {
		t.Errorf("by default: %+v", plain)
	}
}

func TestJWT_WhatOneCallChangesAnotherDoesNotSee(t *testing.T) {
	s := ecSigner(t, "k")
	i := newIssuer(t, s)
	j := newJWT(t, i.options())
	token := s.token(nil, i.claims(object{"roles": []string{"user"}, "deep": object{"list": []any{"a"}}}))
	first := accepts(t, j.Verify, token)
	p := auth.FromTokenInfo(first)
	p.Roles[0], p.Scopes[0], p.Claims["deep"].(object)["list"].([]any)[0] = "admin", "admin", "admin"
	first.Extra["roles"].([]string)[0], first.Scopes[0], first.Extra["deep"].(object)["list"].([]any)[0] = "admin", "admin", "admin"
	again := auth.FromTokenInfo(accepts(t, j.Verify, token))
	if again.HasRole("admin") || again.HasScope("admin") || again.Claims["deep"].(object)["list"].([]any)[0] != "a" {
		t.Errorf("got %+v", again)
	}
}

func TestJWT_ServesGoSDKAndIsServedByIt(t *testing.T) {
	s := ecSigner(t, "k")
	i := newIssuer(t, s)
	var theirs sdkauth.TokenVerifier = newJWT(t, i.options()).Verify
	wrap := sdkauth.RequireBearerToken(theirs, nil)
	for token, want := range map[string]int{s.token(nil, i.claims(nil)): 200, "nonsense": 401} {
		status := 0
		w := newRecorder()
		wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			status = 200
			if ti := sdkauth.TokenInfoFromContext(r.Context()); ti.UserID != "ann" || ti.Extra["iss"] != i.url {
				t.Errorf("got %+v", ti)
			}
		})).ServeHTTP(w, request("Bearer "+token))
		if status == 0 {
			status = w.Code
		}
		if status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
}

func TestJWT_ABoundTokenNeedsItsCertificate(t *testing.T) {
	s := ecSigner(t, "k")
	i := newIssuer(t, s)
	cert := leaf(t, "spiffe://example.org/ann")
	token := s.token(nil, i.claims(object{"cnf": object{"x5t#S256": thumbprint(cert)}}))
	g, _ := newGuard(t, auth.Options{Verify: newJWT(t, i.options()).Verify})
	for range 2 { // verified, and remembered
		r := request("Bearer " + token)
		w, got := send(g, r)
		refused(t, w, got, http.StatusUnauthorized, invalidToken)
		r.TLS = connection(leaf(t, "spiffe://example.org/thief"))
		w, got = send(g, r)
		refused(t, w, got, http.StatusUnauthorized, invalidToken)
		r.TLS = connection(cert)
		if w, got := send(g, r); got.Request == nil {
			t.Errorf("with its certificate: %d %s", w.Code, w.Body)
		}
	}
	for name, cnf := range map[string]any{
		"DPoP": object{"jkt": "x"}, "both": object{"jkt": "x", "x5t#S256": thumbprint(cert)}, "a text": "x", "empty": object{}, "null": object(nil),
	} {
		r := request("Bearer " + s.token(nil, i.claims(object{"cnf": cnf})))
		r.TLS = connection(cert)
		w, got := send(g, r)
		t.Run(name, func(t *testing.T) { refused(t, w, got, http.StatusUnauthorized, invalidToken) })
	}
}
