package main

import (
	"context"
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
)

// wantToken serves callers with one token, all of whom are one principal. It is
// for tests: real tokens expire and say who has them.
func wantToken(token string) func(http.Handler) http.Handler {
	verify := func(_ context.Context, sent string, _ *http.Request) (*auth.TokenInfo, error) {
		if subtle.ConstantTimeCompare([]byte(sent), []byte(token)) == 0 {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{UserID: "suite", Expiration: time.Now().Add(time.Hour)}, nil
	}
	return auth.RequireBearerToken(verify, &auth.RequireBearerTokenOptions{
		ResourceMetadataURL: "https://mcp.example.com/.well-known/oauth-protected-resource",
	})
}
