package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// askNow sends the requests to a legacy client and waits for all answers.
func askNow(ctx context.Context, session *mcp.ServerSession, requests mcp.InputRequestMap) (mcp.InputResponseMap, error) {
	var mu sync.Mutex
	answers := make(mcp.InputResponseMap, len(requests))
	group, ctx := errgroup.WithContext(ctx)
	for key, req := range requests {
		group.Go(func() error {
			answer, err := askOne(ctx, session, req)
			if err != nil {
				return unanswered(ctx, key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[key] = answer
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return answers, nil
}

// unanswered gives the failure of a question a code: a model can act on it, and
// the client's own error must not look like ours.
func unanswered(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("waiting for the answer to %q: %w", key, context.Cause(ctx))
	}
	if strings.Contains(err.Error(), unfitAnswer) {
		return mcperrors.Wrap(mcperrors.Validation, unfitText(key), err)
	}
	return mcperrors.Wrap(mcperrors.Conflict, fmt.Sprintf("the client did not answer %q", key), err)
}

// unfitAnswer is what go-sdk says of an elicitation answer that breaks its schema.
const unfitAnswer = "content does not match requested schema"

func askOne(ctx context.Context, session *mcp.ServerSession, req mcp.InputRequest) (mcp.InputResponse, error) {
	switch p := req.(type) {
	case *mcp.ElicitParams:
		return session.Elicit(ctx, p)
	case *mcp.CreateMessageParams:
		return createMessage(ctx, session, p)
	case *mcp.CreateMessageWithToolsParams:
		return session.CreateMessageWithTools(ctx, p)
	case *mcp.ListRootsParams:
		return session.ListRoots(ctx, p)
	}
	return nil, fmt.Errorf("unknown kind of request %T", req)
}

// createMessage answers in the form that modern clients' answers arrive in.
func createMessage(ctx context.Context, session *mcp.ServerSession, p *mcp.CreateMessageParams) (mcp.InputResponse, error) {
	res, err := session.CreateMessage(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &mcp.CreateMessageWithToolsResult{Meta: res.Meta, Model: res.Model, Role: res.Role, StopReason: res.StopReason}
	if res.Content != nil {
		out.Content = []mcp.Content{res.Content}
	}
	return out, nil
}

// checkCapabilities fails with the protocol's own error (2026-07-28,
// "Missing required client capabilities") if the client cannot answer.
func (c *call) checkCapabilities(requests mcp.InputRequestMap) error {
	caps := c.capabilities()
	missing := make(map[string]struct{})
	for _, req := range requests {
		switch req.(type) {
		case *mcp.ElicitParams:
			if caps.Elicitation == nil {
				missing["elicitation"] = struct{}{}
			}
		case *mcp.CreateMessageParams, *mcp.CreateMessageWithToolsParams:
			if caps.Sampling == nil {
				missing["sampling"] = struct{}{}
			}
		case *mcp.ListRootsParams:
			if caps.RootsV2 == nil {
				missing["roots"] = struct{}{}
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	data, err := json.Marshal(map[string]any{"requiredCapabilities": missing})
	if err != nil {
		return err
	}
	return &jsonrpc.Error{
		Code:    mcp.CodeMissingRequiredClientCapabilities,
		Message: "this call needs a client that declares the required capabilities",
		Data:    data,
	}
}
