package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Defaults of [Options] and of what this package builds.
const (
	DefaultMaxTokenBytes = 16 << 10
	DefaultSkew          = 30 * time.Second
)

// Options say whom a [Guard] lets through. Verify or Certificate must be set.
type Options struct {
	// Verify knows the bearer tokens: that of a [JWT], an [Introspection],
	// [APIKeys], go-sdk's own, or [AnyOf] them. Nil means no token is accepted.
	Verify Verifier
	// Certificate names the caller of a request that has no Authorization
	// header and came over TLS with a client certificate that the server
	// verified, such as [SPIFFE]. An error refuses it. Nil means a certificate
	// says nothing.
	//
	// It takes an http.Server whose TLSConfig has ClientCAs and ClientAuth set
	// to at least VerifyClientCertIfGiven.
	Certificate func(leaf *x509.Certificate) (*Principal, error)
	// Scopes are needed by every request.
	Scopes []string
	// Metadata tells clients where to get a token. Nil means they must know.
	Metadata *Metadata
	// MaxTokenBytes bounds a token, before anything looks at it.
	// Zero means 16 KiB; negative is a mistake.
	MaxTokenBytes int
	// Logger gets refusals at debug level, what cannot be decided at warning
	// level, and faults of the verifier at error level. It never gets a token.
	// Nil means no log.
	Logger *slog.Logger
}

// A Guard lets only known callers reach an http.Handler. It is safe for
// concurrent use.
type Guard struct {
	opts    Options
	doc     *document // nil without metadata
	refused refusedRequests
}

// NewGuard returns a guard, or every mistake in o.
func NewGuard(o Options) (*Guard, error) {
	var mistakes []error
	if o.Verify == nil && o.Certificate == nil {
		mistakes = append(mistakes, errors.New("auth: Options has neither Verify nor Certificate: nobody could call"))
	}
	if o.MaxTokenBytes < 0 {
		mistakes = append(mistakes, fmt.Errorf("auth: Options.MaxTokenBytes: %d is negative", o.MaxTokenBytes))
	}
	if o.MaxTokenBytes == 0 {
		o.MaxTokenBytes = DefaultMaxTokenBytes
	}
	o.Logger = loggerOr(o.Logger)
	o.Scopes = slices.Clone(o.Scopes)
	mistakes = append(mistakes, checkScopes("Options.Scopes", o.Scopes))
	g := &Guard{opts: o}
	if o.Metadata != nil {
		doc, err := newDocument(o.Metadata)
		g.doc, mistakes = doc, append(mistakes, err)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return g, nil
}

// Wrap returns a handler that lets callers through to next once they are
// authenticated, and answers everybody else with a JSON-RPC error. The request
// next sees has the caller in its context, for [PrincipalFrom] and for go-sdk's
// TokenInfoFromContext, and no Authorization, Proxy-Authorization or Cookie
// header.
//
// A browser's preflight carries no token and is refused, too: answer it
// outside, as the transport's AllowedOrigins do if the guard is given to it.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, sent, err := g.authenticate(r)
		if err != nil {
			g.refuse(w, r, sent, err)
			return
		}
		r = r.WithContext(WithTokenInfo(forSDK(r.Context(), info), info))
		r.Header = withoutCredentials(r.Header)
		next.ServeHTTP(w, r)
	})
}

// MetadataURL is where clients find the metadata; "" if there is none.
func (g *Guard) MetadataURL() string {
	if g.doc == nil {
		return ""
	}
	return g.doc.url
}

// MetadataPaths are the paths to serve [Guard.Metadata] at, which needs no
// authentication: that of [Guard.MetadataURL] and the one at the root. There
// are none without metadata.
func (g *Guard) MetadataPaths() []string {
	if g.doc == nil {
		return nil
	}
	return slices.Clone(g.doc.paths)
}

// Metadata serves the metadata, or 404 where there is none.
func (g *Guard) Metadata() http.Handler {
	if g.doc == nil {
		return http.NotFoundHandler()
	}
	return g.doc
}

// authenticate returns who sent r; sent reports whether r had credentials.
func (g *Guard) authenticate(r *http.Request) (info *sdkauth.TokenInfo, sent bool, err error) {
	token, sent, err := bearerToken(r, g.opts.MaxTokenBytes)
	switch {
	case err == nil:
		info, err = g.verify(r, token)
	case !sent && g.opts.Certificate != nil && hasCertificate(r):
		sent = true
		info, err = fromCertificate(r, g.opts.Certificate)
	}
	if err == nil {
		err = g.admit(info)
	}
	return info, sent, err
}

// verify asks the verifier. A panic in it denies.
func (g *Guard) verify(r *http.Request, token string) (_ *sdkauth.TokenInfo, err error) {
	if g.opts.Verify == nil {
		return nil, invalidError("tokens are not accepted here")
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("auth: the verifier panicked: %v", p)
		}
	}()
	info, err := g.opts.Verify(r.Context(), token, r)
	if err == nil && info == nil {
		return nil, errNoAnswer
	}
	return info, err
}

// admit is what the guard itself asks of everybody.
func (g *Guard) admit(info *sdkauth.TokenInfo) error {
	switch {
	case info.UserID == "":
		return invalidError("it names nobody") // all such callers would be one
	case !info.Expiration.IsZero() && time.Now().After(info.Expiration.Add(DefaultSkew)):
		return invalidError("expired")
	}
	for _, scope := range g.opts.Scopes {
		if !slices.Contains(info.Scopes, scope) {
			// All that are needed: the caller cannot add what it does not know of.
			return &mcperrors.Error{Code: mcperrors.Authorization, Message: "the token lacks a scope", Scopes: g.opts.Scopes}
		}
	}
	return nil
}

func loggerOr(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// canceled reports whether err is the end of the caller's own context.
func canceled(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}
