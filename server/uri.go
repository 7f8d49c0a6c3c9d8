package server

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/absent"
)

// maxURI is the longest URI a client may ask for, in bytes.
const maxURI = 8 << 10

// checkURIs refuses URIs that no sound client sends before anything looks at
// them: handlers then need not think of each trick.
func checkURIs(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		for _, uri := range requestedURIs(req.GetParams()) {
			if err := checkURI(uri); err != nil {
				return nil, mcperrors.Errorf(mcperrors.Validation, "uri: %v", err)
			}
		}
		return next(ctx, method, req)
	}
}

func requestedURIs(params mcp.Params) []string {
	switch p := params.(type) {
	case *mcp.ReadResourceParams:
		return []string{p.URI}
	case *mcp.SubscribeParams:
		return []string{p.URI}
	case *mcp.UnsubscribeParams:
		return []string{p.URI}
	case *mcp.SubscriptionsListenParams:
		if p.Notifications != nil {
			return p.Notifications.ResourceSubscriptions
		}
	}
	return nil
}

// checkURI looks at the URI as it came, decoded, and decoded twice: somebody
// behind us may decode once more.
func checkURI(uri string) error {
	if len(uri) > maxURI {
		return errors.New("longer than 8 KiB")
	}
	if strings.Contains(uri, `\`) {
		return errors.New("backslashes are not allowed; separate with /")
	}
	for range 3 {
		if !utf8.ValidString(uri) {
			return errors.New("not valid UTF-8")
		}
		if strings.ContainsFunc(uri, unicode.IsControl) {
			return errors.New("control characters are not allowed")
		}
		if hasParentSegment(uri) {
			return errors.New(`".." segments are not allowed`)
		}
		decoded, err := url.PathUnescape(uri)
		if err != nil {
			break // a stray % is the handler's to judge
		}
		uri = decoded
	}
	return nil //nolint:nilerr // see break
}

func hasParentSegment(uri string) bool {
	for seg := range strings.FieldsFuncSeq(uri, func(r rune) bool { return r == '/' || r == '\\' }) {
		if seg == ".." {
			return true
		}
	}
	return false
}

// subscribe accepts only what can be read.
func (s *Server) subscribe(ctx context.Context, req *mcp.SubscribeRequest) error {
	uri := req.Params.URI
	e := s.names.now.Load().readable(uri)
	if e == nil {
		return absent.Subscription(uri, nil)
	}
	if err := s.permit(ctx, req, e.gate, auth.Action{Verb: auth.Read, Kind: auth.Resources, Name: uri}, absent.Subscription); err != nil {
		return err
	}
	who, _ := auth.PrincipalFrom(ctx)
	s.subscribers.put(req.Session, who)
	return nil
}
