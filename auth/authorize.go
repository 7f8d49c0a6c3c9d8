package auth

import (
	"context"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/absent"
	"github.com/trestle-mcp/trestle/internal/seal"
)

// AuthorizeOptions say how [Authorize] decides. The zero value denies all.
type AuthorizeOptions struct {
	// Policy decides. Nil denies all.
	Policy *Policy
	// Show is asked about the items of lists. It returns what the thing of that
	// name needs beyond permission, or nil, and whether lists show it at all. The
	// name of a resource template is its text. When a thing is used it is for its
	// handler to ask the same, by [Policy.Decide]: only then it is known which one
	// serves. Nil means that nothing needs more.
	Show func(ctx context.Context, req mcp.Request, kind Kind, name string) (need *Need, shown bool)
	// PageSize is that of the server. Zero means go-sdk's 1000.
	PageSize int
	// Cursors seals the cursors of lists. Nil means with a random key: other
	// replicas do not know it.
	Cursors Sealer
}

// A Sealer encrypts and authenticates what clients keep for the server. Open
// fails unless the binding is the one that Seal was given.
type Sealer interface {
	Seal(plain, binding []byte) string
	Open(sealed string, binding []byte) ([]byte, error)
}

const cursorTTL = 10 * time.Minute

// Authorize lets through what the policy allows the caller, see [PrincipalFrom]:
//
//	tools/call                     execute:tools:name
//	prompts/get                    read:prompts:name
//	resources/read, subscribe      read:resources:URI
//	subscriptions/listen           the same for each URI
//	completion/complete            as for the prompt, or the template by its text
//	lists                          only what may be used so; templates by their text
//	methods of your own            execute:methods:name
//
// The protocol's own handshakes, pings and notifications, unsubscribing, and
// hearing that a list has changed, are open to all.
//
// What is denied does not exist: the answer is that for an unknown name, to the
// byte, provided that middleware.Errors stands outside. Where scopes would help
// the error has code authorization and names them, whether or not there is such
// a thing. Methods of your own are no secret: they are denied with code
// authorization in any case.
//
// Lists are pages of what the caller sees, as if there were nothing else. Their
// cursors are sealed, and good for ten minutes and for one caller.
func Authorize(o AuthorizeOptions) mcp.Middleware {
	if o.PageSize <= 0 {
		o.PageSize = mcp.DefaultPageSize
	}
	if o.Show == nil {
		o.Show = func(context.Context, mcp.Request, Kind, string) (*Need, bool) { return nil, true }
	}
	if o.Cursors == nil {
		box, err := seal.New(nil, cursorTTL)
		if err != nil {
			panic(err) // no key can be wrong
		}
		o.Cursors = box
	}
	a := &authorizer{o}
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			return a.handle(ctx, next, method, req)
		}
	}
}

type authorizer struct{ AuthorizeOptions }

func (a *authorizer) handle(ctx context.Context, next mcp.MethodHandler, method string, req mcp.Request) (mcp.Result, error) {
	who, _ := PrincipalFrom(ctx)
	if list, ok := lists[method]; ok {
		return list(&viewer{a, ctx, req, who, method}, next)
	}
	var room [1]wanted // of nearly every call
	for _, w := range wantedBy(room[:0], method, req.GetParams()) {
		switch d := a.Policy.Decide(ctx, who, w.action); {
		case d.Hidden():
			a.Policy.count(d)
			return nil, w.absent(w.action.Name, &deniedError{d})
		case !d.Allowed():
			a.Policy.count(d)
			return nil, d.Err()
		}
	}
	res, err := next(ctx, method, req)
	if read, ok := res.(*mcp.ReadResourceResult); ok && read != nil && err == nil {
		return keepPrivate(read), nil
	}
	return res, err
}

// A wanted is an action, and what is said if there is no such thing.
type wanted struct {
	action Action
	absent absent.Error
}

// wantedBy appends what a call is about. What it does not know is denied.
func wantedBy(all []wanted, method string, params mcp.Params) []wanted {
	switch method {
	case "initialize", "ping", "server/discover", "logging/setLevel", "resources/unsubscribe",
		"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed":
		return all
	}
	switch p := params.(type) {
	case *mcp.CallToolParamsRaw:
		if method == "tools/call" && p != nil {
			return append(all, wanted{Action{Verb: Execute, Kind: Tools, Name: p.Name}, absent.Tool})
		}
	case *mcp.GetPromptParams:
		if method == "prompts/get" && p != nil {
			return append(all, wanted{Action{Verb: Read, Kind: Prompts, Name: p.Name}, absent.Prompt})
		}
	case *mcp.ReadResourceParams:
		if method == "resources/read" && p != nil {
			return append(all, wanted{Action{Verb: Read, Kind: Resources, Name: p.URI}, absent.Resource})
		}
	case *mcp.SubscribeParams:
		if method == "resources/subscribe" && p != nil {
			return append(all, wanted{Action{Verb: Read, Kind: Resources, Name: p.URI}, absent.Subscription})
		}
	case *mcp.SubscriptionsListenParams:
		if method == "subscriptions/listen" && p != nil {
			return wantedUpdates(all, p)
		}
	case *mcp.CompleteParams:
		if method == "completion/complete" && p != nil {
			return append(all, wanted{completed(p), absent.Completion})
		}
	}
	return append(all, wanted{Action{Verb: Execute, Kind: Methods, Name: method}, unknownMethod})
}

func wantedUpdates(all []wanted, p *mcp.SubscriptionsListenParams) []wanted {
	if p.Notifications == nil {
		return all // go-sdk refuses it
	}
	for _, uri := range p.Notifications.ResourceSubscriptions {
		all = append(all, wanted{Action{Verb: Read, Kind: Resources, Name: uri}, absent.Subscription})
	}
	return all
}

// completed is what a completion is about; the zero Action, which nobody may do,
// if it is about something unheard of.
func completed(p *mcp.CompleteParams) Action {
	switch {
	case p.Ref == nil:
	case p.Ref.Type == "ref/prompt":
		return Action{Verb: Read, Kind: Prompts, Name: p.Ref.Name}
	case p.Ref.Type == "ref/resource":
		return Action{Verb: Read, Kind: Resources, Name: p.Ref.URI}
	}
	return Action{}
}

func unknownMethod(_ string, cause error) error {
	return &mcperrors.Error{Code: mcperrors.Authorization, Message: "not permitted", Cause: cause}
}

// keepPrivate returns res marked as being for its caller only: what a policy
// decides about may not be shared on the way.
func keepPrivate(res *mcp.ReadResourceResult) *mcp.ReadResourceResult {
	if !strings.EqualFold(res.CacheScope, "public") {
		return res
	}
	own := *res
	own.CacheScope = "private"
	return &own
}
