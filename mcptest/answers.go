package mcptest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A User answers what a server asks the client for: elicitation, sampling and
// roots, in both eras. It keeps a log of what it was asked.
//
//	user := mcptest.NewUser(mcptest.Accept(Choice{Yes: true}), mcptest.Decline())
//	c := mcptest.New(t, srv, mcptest.WithUser(user))
//
// It is safe for concurrent use, and may serve several clients.
type User struct {
	mu      sync.Mutex
	answers []Answer
	asked   []mcp.Params
	sample  func(*mcp.CreateMessageParams) (string, error)
	roots   []string
}

// An Answer is what a [User] does with a form.
type Answer struct {
	result *mcp.ElicitResult
	err    error
}

// Accept fills the form in with v, which encodes as a JSON object.
func Accept(v any) Answer {
	raw, err := json.Marshal(v)
	if err != nil {
		return Answer{err: err}
	}
	content := map[string]any{}
	if err := json.Unmarshal(raw, &content); err != nil {
		return Answer{err: fmt.Errorf("mcptest: an answer is an object: %w", err)}
	}
	return Answer{result: &mcp.ElicitResult{Action: "accept", Content: content}}
}

// Decline says no.
func Decline() Answer { return Answer{result: &mcp.ElicitResult{Action: "decline"}} }

// Dismiss closes the form without an answer.
func Dismiss() Answer { return Answer{result: &mcp.ElicitResult{Action: "cancel"}} }

// NewUser returns a user that answers forms in this order. Further ones are an
// error.
func NewUser(answers ...Answer) *User { return &User{answers: answers} }

// Sampling has the client's model answer with what f returns. Without it the
// client has no model.
func (u *User) Sampling(f func(*mcp.CreateMessageParams) (string, error)) *User {
	u.sample = f
	return u
}

// Roots has the client show these URIs as its roots.
func (u *User) Roots(uris ...string) *User {
	u.roots = uris
	return u
}

// Asked returns what the user was asked, in order: *mcp.ElicitParams and
// *mcp.CreateMessageParams.
func (u *User) Asked() []mcp.Params {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]mcp.Params(nil), u.asked...)
}

// WithUser has u answer what the server asks.
func WithUser(u *User) Option {
	return func(c *config) {
		c.client.ElicitationHandler = u.elicit
		if u.sample != nil {
			c.client.CreateMessageHandler = u.createMessage
		}
		c.roots = u.roots
	}
}

func (u *User) elicit(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, req.Params)
	if len(u.answers) == 0 {
		return nil, fmt.Errorf("mcptest: the user has no answer left for %q", req.Params.Message)
	}
	next := u.answers[0]
	u.answers = u.answers[1:]
	return next.result, next.err
}

func (u *User) createMessage(_ context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	u.mu.Lock()
	u.asked = append(u.asked, req.Params)
	u.mu.Unlock()
	text, err := u.sample(req.Params)
	if err != nil {
		return nil, err
	}
	return &mcp.CreateMessageResult{
		Model: "mcptest", Role: "assistant", StopReason: "endTurn",
		Content: &mcp.TextContent{Text: text},
	}, nil
}
