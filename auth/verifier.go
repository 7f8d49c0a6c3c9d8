package auth

import (
	"context"
	"errors"
	"net/http"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A Verifier says whom a bearer token was given to. It is go-sdk's type: each
// side's verifiers serve the other.
//
// Its answer belongs to the caller, who may change it; UserID is not empty. A
// token that is not valid is an error that wraps go-sdk's ErrInvalidToken, and
// the caller gets 401. What cannot be decided now is an error with code
// unavailable or exhausted, for 503. Anything else is a fault of the verifier,
// and denies with 500. A Verifier is safe for concurrent use.
type Verifier = sdkauth.TokenVerifier

// invalidError is why a token is refused: one of a few constant texts that hold
// nothing of the token, since go-sdk's RequireBearerToken would show it.
type invalidError string

func (e invalidError) Error() string { return "invalid token, " + string(e) }

// Is makes it one of go-sdk's invalid tokens.
func (e invalidError) Is(target error) bool { return target == sdkauth.ErrInvalidToken }

// AnyOf returns a verifier that accepts a token if one of verifiers does, asked
// in that order; put those that answer from memory, such as API keys, before
// those that ask over the network. If none accepts it and one could not decide,
// that one's error is the answer. Without verifiers it refuses every token.
func AnyOf(verifiers ...Verifier) Verifier {
	return func(ctx context.Context, token string, r *http.Request) (*sdkauth.TokenInfo, error) {
		var refused error = invalidError("of no known kind")
		var undecided error
		for _, verify := range verifiers {
			info, err := verify(ctx, token, r)
			switch {
			case err == nil && info != nil:
				return info, nil
			case errors.Is(err, sdkauth.ErrInvalidToken):
				refused = err
			case undecided == nil:
				undecided = err
				if err == nil {
					undecided = errNoAnswer
				}
			}
		}
		if undecided != nil {
			return nil, undecided
		}
		return nil, refused
	}
}

var errNoAnswer = errors.New("auth: the verifier gave neither an answer nor an error")

// unavailable is the error for what cannot be decided now.
func unavailable(text string, cause error) *mcperrors.Error {
	return mcperrors.Wrap(mcperrors.Unavailable, text, cause)
}
