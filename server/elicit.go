package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/schema"
)

// What a user may answer instead of filling in a form. Both come in an error
// with code conflict, so that a handler may simply return what Elicit returned.
var (
	// ErrDeclined: the user said no.
	ErrDeclined = errors.New("declined by the user")
	// ErrDismissed: the user closed the question without an answer.
	ErrDismissed = errors.New("dismissed by the user")
)

// Elicit asks the user of the running call to fill in a form, in both eras; see
// [Ask] for how, and for what a handler must not do before. T is a struct of
// strings, numbers and booleans, whose tags describe and bound the fields as
// with the arguments of a tool. key names the question within the call.
//
// An answer that breaks the rules of T is an error with code validation.
// Do not ask for secrets: the protocol forbids it (2025-11-25, client/elicitation).
func Elicit[T any](ctx context.Context, key, question string) (T, error) {
	var none T
	form, err := formFor[T]()
	if err != nil {
		return none, fmt.Errorf("server.Elicit: %T: %w", none, err)
	}
	answers, err := Ask(ctx, mcp.InputRequestMap{key: &mcp.ElicitParams{
		Mode: "form", Message: question, RequestedSchema: form.JSON(),
	}})
	if err != nil {
		return none, err
	}
	answer, ok := answers[key].(*mcp.ElicitResult)
	if !ok || answer == nil {
		return none, fmt.Errorf("server.Elicit: the client answered with %T", answers[key])
	}
	switch answer.Action {
	case "accept":
	case "decline":
		return none, mcperrors.Wrap(mcperrors.Conflict, ErrDeclined.Error(), ErrDeclined)
	default:
		return none, mcperrors.Wrap(mcperrors.Conflict, ErrDismissed.Error(), ErrDismissed)
	}
	raw, err := json.Marshal(answer.Content)
	if err != nil {
		return none, fmt.Errorf("server.Elicit: encoding the answer: %w", err)
	}
	if answer.Content == nil {
		raw = nil
	}
	value, err := form.Decode(raw)
	if err != nil {
		return none, unfit(key, err)
	}
	return value, nil
}

// unfit says that it is an answer that is wrong, where the schema speaks of arguments.
func unfit(key string, err error) error {
	e := *mcperrors.From(err)
	e.Message = unfitText(key) + ": " + strings.TrimPrefix(e.Message, "invalid arguments: ")
	return &e
}

func unfitText(key string) string { return fmt.Sprintf("the answer to %q does not fit its form", key) }

// forms holds a compiled schema for each type that was ever asked for.
var forms sync.Map // reflect.Type → *schema.Schema[T]

func formFor[T any]() (*schema.Schema[T], error) {
	t := reflect.TypeFor[T]()
	if known, ok := forms.Load(t); ok {
		if s, ok := known.(*schema.Schema[T]); ok {
			return s, nil
		}
	}
	s, err := schema.For[T](&schema.Options{Flat: true})
	if err != nil {
		return nil, err
	}
	forms.Store(t, s)
	return s, nil
}
