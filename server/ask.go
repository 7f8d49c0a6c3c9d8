package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/era"
)

// Ask asks the client of the running call for input: elicitation, sampling or
// roots, one or several at once under keys of the author's choice. It works in
// both eras.
//
// Legacy clients are asked at once, and Ask waits; raise [Tool.Timeout] where
// people need longer than a call may take.
//
// For modern clients Ask returns an error that the handler must return (as it
// is or wrapped). The client gets the questions and calls again, and the
// handler runs again from its start; this time Ask returns the answers. So do
// nothing before Ask that must not happen twice. Answers of earlier rounds are
// kept: a handler may ask one thing after another, under different keys.
// Between the rounds the state travels through the client, encrypted and bound
// to the principal, the tool and its arguments, for [Options.StateTTL].
//
// The answers are *mcp.ElicitResult, *mcp.CreateMessageWithToolsResult and
// *mcp.ListRootsResult, under the keys of their requests. To ask nothing is
// answered with nothing at once.
//
// A client that lacks a capability a request needs is never asked: the error
// is go-sdk's CodeMissingRequiredClientCapabilities (-32021). See
// [ClientCapabilities] to ask only what can be answered.
func Ask(ctx context.Context, requests mcp.InputRequestMap) (mcp.InputResponseMap, error) {
	c := callFrom(ctx)
	if c == nil || c.session == nil || asker(c.req) == nil {
		return nil, errors.New("server.Ask: the context is not that of a tool, prompt or resource handler")
	}
	if err := c.checkCapabilities(requests); err != nil {
		return nil, err
	}
	if era.IsModern(era.Version(c.req)) {
		return c.ask.round(ctx, c, requests)
	}
	return askNow(ctx, c.session, requests)
}

// asking is what a modern call knows of its questions.
type asking struct {
	mu      sync.Mutex
	opened  bool
	earlier mcp.InputResponseMap // answers of earlier rounds, from the sealed state
	given   mcp.InputResponseMap // answers this round came with
}

// question is what the client has to be asked, and the state until it answers.
type question struct {
	requests mcp.InputRequestMap
	state    string
}

// questionError is how a question leaves the handler.
type questionError struct{ question }

func (*questionError) Error() string { return "the client has to be asked first" }

// errBadState is a protocol error even for tools: a model cannot mend it.
var errBadState = &jsonrpc.Error{
	Code:    jsonrpc.CodeInvalidParams,
	Message: "requestState is not valid for this call, or expired; call again without it",
}

// asked takes the question out of what a handler returned: it returns either
// the question, or the error if that is something else.
func asked(err error) (*question, error) {
	if e, ok := errors.AsType[*questionError](err); ok {
		return &e.question, nil
	}
	return nil, err
}

// round returns the answers, or the question if one is missing. What was
// answered in an earlier round stays: a client cannot change it by a later one.
func (a *asking) round(ctx context.Context, c *call, requests mcp.InputRequestMap) (mcp.InputResponseMap, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	bind := binding(ctx, c)
	if err := a.open(c, bind); err != nil {
		return nil, err
	}
	answers, missing := make(mcp.InputResponseMap), make(mcp.InputRequestMap)
	for key, req := range requests {
		switch {
		case fits(req, a.earlier[key]):
			answers[key] = a.earlier[key]
		case fits(req, a.given[key]):
			a.earlier[key] = a.given[key]
			answers[key] = a.given[key]
		default:
			missing[key] = req
		}
	}
	if len(missing) == 0 {
		return answers, nil
	}
	plain, err := json.Marshal(a.earlier)
	if err != nil {
		return nil, fmt.Errorf("encoding the answers so far: %w", err)
	}
	return nil, &questionError{question{requests: missing, state: c.server.seal.Seal(plain, bind)}}
}

// open reads the state and the answers the call came with, once.
func (a *asking) open(c *call, bind []byte) error {
	if a.opened {
		return nil
	}
	sealed, given := asker(c.req)()
	a.given, a.earlier = given, make(mcp.InputResponseMap)
	if sealed != "" {
		plain, err := c.server.seal.Open(sealed, bind)
		if err == nil {
			err = json.Unmarshal(plain, &a.earlier)
		}
		if err != nil {
			return fmt.Errorf("%w (%w)", errBadState, err)
		}
	}
	a.opened = true
	return nil
}

// asker returns how to read what a call of a method that may ask came with, or
// nil for other methods.
func asker(req mcp.Request) func() (state string, answers mcp.InputResponseMap) {
	switch p := req.GetParams().(type) {
	case *mcp.CallToolParamsRaw:
		return func() (string, mcp.InputResponseMap) { return p.RequestState, p.InputResponses }
	case *mcp.GetPromptParams:
		return func() (string, mcp.InputResponseMap) { return p.RequestState, p.InputResponses }
	case *mcp.ReadResourceParams:
		return func() (string, mcp.InputResponseMap) { return p.RequestState, p.InputResponses }
	}
	return nil
}

// fits reports whether answer is of the kind that req asks for.
func fits(req mcp.InputRequest, answer mcp.InputResponse) bool {
	switch req.(type) {
	case *mcp.ElicitParams:
		_, ok := answer.(*mcp.ElicitResult)
		return ok
	case *mcp.ListRootsParams:
		_, ok := answer.(*mcp.ListRootsResult)
		return ok
	case *mcp.CreateMessageParams, *mcp.CreateMessageWithToolsParams:
		_, ok := answer.(*mcp.CreateMessageWithToolsResult)
		return ok
	}
	return false
}
