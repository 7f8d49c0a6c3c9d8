package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"golang.org/x/sync/singleflight"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/secret"
)

const (
	// DefaultIntrospectionTTL is how long an answer is believed.
	DefaultIntrospectionTTL = time.Minute
	// inactiveTTL is how long a refusal is: short, since a token may become
	// valid after it was tried.
	inactiveTTL = 5 * time.Second
	// maxIntrospections bounds what a flood of unknown tokens may ask at once.
	maxIntrospections = 32
)

// IntrospectionOptions say who knows opaque tokens. URL, Issuer, ClientID and
// ClientSecret must be set, and Audiences or InsecureAnyAudience.
type IntrospectionOptions struct {
	// URL is the introspection endpoint (RFC 7662).
	URL string
	// Issuer vouches for the subjects. An answer with another iss is refused.
	Issuer string
	// ClientID and ClientSecret authenticate this server, by HTTP Basic as
	// RFC 6749, section 2.3.1, has it. ClientSecret is asked for each request,
	// so that it can change; it is called by many goroutines.
	ClientID     string
	ClientSecret func(context.Context) (secret.Secret, error)
	// Audiences are names of this server; aud must be, or hold, one of them.
	Audiences []string
	// InsecureAnyAudience accepts tokens whose answer has no aud, or any:
	// another server that the caller gave its token to can use it here.
	InsecureAnyAudience bool
	// TTL is how long an answer is believed, at most until the token expires:
	// so long does a withdrawn token live on.
	// Zero means 1 minute; negative means that each request is asked about.
	TTL time.Duration
	// Remember is how many answers are kept.
	// Zero means 10,000; negative means none.
	Remember int
	// RolesClaim and TenantClaim are as in [JWTOptions].
	RolesClaim, TenantClaim string
	// Client is as in [JWTOptions].
	Client *http.Client
}

// An Introspection verifies tokens by asking the server that made them. One
// that does not answer denies: with code unavailable, or exhausted if too many
// questions are open. It is safe for concurrent use and needs no closing.
type Introspection struct {
	opts   IntrospectionOptions
	rules  claimRules
	client *http.Client
	asking singleflight.Group
	slots  chan struct{}

	active   *memory[opinion]
	inactive *memory[opinion] // apart, so that a flood cannot push out the active
}

// An opinion is what the endpoint said of a token. It is not changed.
type opinion struct {
	*verified           // nil: not valid
	refused   error     // why, then
	until     time.Time // believed until then
}

// NewIntrospection returns a verifier, or every mistake in o. It asks nothing.
func NewIntrospection(o IntrospectionOptions) (*Introspection, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.TTL == 0 {
		o.TTL = DefaultIntrospectionTTL
	}
	if o.Remember == 0 {
		o.Remember = DefaultRemember
	}
	if o.TTL < 0 {
		o.Remember = -1
	}
	if o.RolesClaim == "" {
		o.RolesClaim = extraRoles
	}
	return &Introspection{
		opts: o,
		rules: claimRules{
			issuer: o.Issuer, audiences: slices.Clone(o.Audiences), skew: DefaultSkew,
			rolesClaim: o.RolesClaim, tenantClaim: o.TenantClaim,
			anyAudience: o.InsecureAnyAudience, mayNotExpire: true,
		},
		client:   boundedClient(o.Client),
		slots:    make(chan struct{}, maxIntrospections),
		active:   newMemory[opinion](o.Remember),
		inactive: newMemory[opinion](o.Remember),
	}, nil
}

func (o *IntrospectionOptions) check() error {
	var mistakes []error
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("auth: IntrospectionOptions."+format, args...))
	}
	if _, err := checkURL(o.URL); err != nil {
		mistake("URL: %w", err)
	}
	if o.Issuer == "" {
		mistake("Issuer is empty: subjects would be nobody's")
	}
	if o.ClientID == "" || o.ClientSecret == nil {
		mistake("ClientID or ClientSecret is not set: the endpoint must know who asks")
	}
	if (len(o.Audiences) == 0 || slices.Contains(o.Audiences, "")) && !o.InsecureAnyAudience {
		mistake("Audiences: want at least one, none empty, or InsecureAnyAudience")
	}
	return errors.Join(mistakes...)
}

// Verify is a [Verifier]. The subject of the principal is sub, which the
// endpoint must tell. Tokens bound to certificates are as in [JWT.Verify].
func (i *Introspection) Verify(ctx context.Context, token string, r *http.Request) (*sdkauth.TokenInfo, error) {
	key, now := digestOf(token), time.Now()
	op, known := i.recall(key, now)
	if !known {
		var err error
		if op, err = i.askOnce(ctx, key, token); err != nil {
			return nil, err
		}
	}
	switch {
	case op.verified == nil:
		return nil, op.refused
	case !op.info.Expiration.IsZero() && i.rules.expired(op.info.Expiration, now):
		return nil, errExpired
	case !op.binding.check(r):
		return nil, invalidError("bound to a certificate that did not come with it")
	}
	return cloneInfo(op.info), nil
}

func (i *Introspection) recall(key digest, now time.Time) (opinion, bool) {
	for _, m := range []*memory[opinion]{i.active, i.inactive} {
		if op, ok := m.get(key); ok && now.Before(op.until) {
			return op, true
		}
	}
	return opinion{}, false
}

// askOnce asks for many callers at once, none of which can take the question
// down by going away.
func (i *Introspection) askOnce(ctx context.Context, key digest, token string) (opinion, error) {
	answer := i.asking.DoChan(string(key[:]), func() (_ any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("auth: introspection panicked: %v", p)
			}
		}()
		select {
		case i.slots <- struct{}{}:
			defer func() { <-i.slots }()
		default:
			return nil, &mcperrors.Error{Code: mcperrors.Exhausted, RetryAfter: time.Second}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		op, err := i.ask(ctx, token)
		if err == nil {
			i.keep(key, op)
		}
		return op, err
	})
	select {
	case <-ctx.Done():
		return opinion{}, ctx.Err()
	case res := <-answer:
		op, _ := res.Val.(opinion)
		return op, res.Err
	}
}

func (i *Introspection) keep(key digest, op opinion) {
	m := i.active
	if op.verified == nil {
		m = i.inactive
	}
	m.put(key, op, m.begin())
}

// ask puts the question. What the endpoint says is checked by our own rules
// too: it answers for all servers, each of which has its own audience.
func (i *Introspection) ask(ctx context.Context, token string) (opinion, error) {
	const down = "tokens cannot be verified now, retry shortly"
	password, err := i.opts.ClientSecret(ctx)
	if err != nil {
		return opinion{}, unavailable(down, fmt.Errorf("introspection: the client secret: %w", err))
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.opts.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return opinion{}, unavailable(down, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(i.opts.ClientID), url.QueryEscape(password.Reveal()))
	body, err := fetch(i.client, req)
	if err != nil {
		return opinion{}, unavailable(down, fmt.Errorf("introspection: %w", err))
	}
	claims, err := decodeClaims(body)
	active, ok := claims["active"].(bool)
	if err != nil || !ok {
		return opinion{}, unavailable(down, errors.New("introspection: the answer is none"))
	}
	if !active {
		return i.refusal(invalidError("not active")), nil
	}
	return i.judge(claims), nil
}

func (i *Introspection) judge(claims map[string]any) opinion {
	if iss, there := claims["iss"]; there && iss != i.opts.Issuer {
		return i.refusal(invalidError("of another issuer"))
	}
	now := time.Now()
	v, err := i.rules.admit(claims, now)
	if err != nil {
		return i.refusal(err)
	}
	return opinion{verified: v, until: now.Add(i.opts.TTL)}
}

func (i *Introspection) refusal(err error) opinion {
	return opinion{refused: err, until: time.Now().Add(min(inactiveTTL, i.opts.TTL))}
}
