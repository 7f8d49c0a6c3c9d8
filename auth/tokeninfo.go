package auth

import (
	"context"
	"net/http"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
)

// withTokenInfo puts info where go-sdk's TokenInfoFromContext and the
// transports look for it. The SDK keeps that key to itself, so its own wrapper
// has to do it, on a request that holds nothing but the context, with a
// verifier that has the answer already.
func withTokenInfo(ctx context.Context, info *sdkauth.TokenInfo) context.Context {
	h := &handover{info: info, ctx: ctx}
	r := &http.Request{Header: placeholder}
	sdkWrapper.ServeHTTP(nil, r.WithContext(context.WithValue(ctx, handoverKey{}, h)))
	return h.ctx
}

// A handover carries a token's info through the SDK's wrapper, and the context
// back.
type handover struct {
	info *sdkauth.TokenInfo
	ctx  context.Context
}

type handoverKey struct{}

func handoverFrom(ctx context.Context) *handover { return ctx.Value(handoverKey{}).(*handover) } //nolint:errcheck // only withTokenInfo calls, and sets it

var (
	placeholder = http.Header{"Authorization": {"Bearer verified"}} // only read

	sdkWrapper = sdkauth.RequireBearerToken(
		func(ctx context.Context, _ string, _ *http.Request) (*sdkauth.TokenInfo, error) {
			return handoverFrom(ctx).info, nil
		},
		// The guard has looked at the expiry. The SDK must not look again: in
		// between a token may expire, and then it would write to no response.
		&sdkauth.RequireBearerTokenOptions{AllowMissingExpiration: true, ClockSkew: 100 * 365 * 24 * time.Hour},
	)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		handoverFrom(r.Context()).ctx = r.Context()
	}))
)
