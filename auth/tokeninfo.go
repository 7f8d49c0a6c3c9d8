package auth

import (
	"context"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
)

// forSDK puts info where go-sdk's TokenInfoFromContext and the
// transports look for it. The SDK keeps the key to itself; only its own wrapper
// is meant to do this, and would copy the request twice.
func forSDK(ctx context.Context, info *sdkauth.TokenInfo) context.Context {
	return context.WithValue(ctx, sdkKey, info)
}

// sdkKey is what the SDK asks a context for.
var sdkKey = func() any {
	ear := &listener{Context: context.Background()}
	sdkauth.TokenInfoFromContext(ear)
	return ear.asked
}()

// A listener remembers the last key it was asked for.
type listener struct {
	context.Context
	asked any
}

func (l *listener) Value(key any) any {
	l.asked = key
	return nil
}
