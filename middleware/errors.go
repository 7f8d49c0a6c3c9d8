package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
)

var errNoResult = errors.New("the handler returned neither a result nor an error")

// Errors makes of any failure below what its caller may see, and is the last
// word on it: a [*jsonrpc.Error], or for tools/call and the codes of which
// IsToolResult is true, a new isError result with the public text, and the
// code in _meta under [ErrorMetaKey]. The cause goes to [Log] only.
//
//   - A coded error in the chain keeps its public parts.
//   - A *jsonrpc.Error in the chain, which a handler returned on purpose, goes
//     out as it is, its text clipped to 4 KiB. Data that is empty or is not
//     JSON, which would end the session, is replaced by ours. The error of a
//     call to another server is one, too: wrap it in a coded error to hide it.
//   - What go-sdk says of unknown tools, prompts and resources becomes NotFound.
//   - The end of the caller's context is Canceled, whatever the handler made of it.
//   - A panic, a call answered with nothing, which go-sdk may not survive, and
//     all else is Internal with a generic text.
//
// Results are passed on untouched, isError results too, but for one: the
// result into which go-sdk's typed tools turn an error that the handler
// returned, by SetError with nothing else in it. That error is treated like
// any other. A tool that wants its own text seen returns a coded error, or
// sets Content. Errors of notifications are noted and returned as they are.
func Errors() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (res mcp.Result, err error) {
			defer func() {
				if v := recover(); v != nil {
					res, err = answer(ctx, method, req, panicked(asPanic(v)))
				}
			}()
			res, err = next(ctx, method, req)
			if err == nil {
				err = hidden(method, res)
			}
			if err == nil {
				return res, nil
			}
			return answer(ctx, method, req, err)
		}
	}
}

// hidden finds a failure in what looks like an answer.
func hidden(method string, res mcp.Result) error {
	if tool, ok := res.(*mcp.CallToolResult); ok && tool != nil {
		return returned(tool)
	}
	if isNil(res) && kindOf(method) != notice {
		return errNoResult
	}
	return nil
}

// returned gives back the error of a typed tool's handler from the result
// that go-sdk made of it. It is told from a result of the tool's own by having
// the error's text for its only content.
func returned(res *mcp.CallToolResult) error {
	err := res.GetError()
	if err == nil || len(res.Content) != 1 || res.StructuredContent != nil {
		return nil
	}
	if text, ok := res.Content[0].(*mcp.TextContent); !ok || text == nil || text.Text != err.Error() {
		return nil
	}
	return typedToolError(err)
}

// answer returns what the caller sees of err, and notes the rest for the log.
func answer(ctx context.Context, method string, req mcp.Request, err error) (mcp.Result, error) {
	coded, wire := classify(ctx, method, req, err)
	full := *coded // errors are shared between calls
	if id := RequestIDFrom(ctx); id != "" {
		full.RequestID = id
	}
	if full.Time.IsZero() {
		full.Time = time.Now()
	}
	note(ctx, &full)
	switch {
	case kindOf(method) == notice:
		return nil, err
	case wire != nil:
		return nil, onPurpose(wire, full.Wire(method, era.Version(req)).Data)
	case method == callTool && full.Code.IsToolResult():
		return toolResult(&full, era.Version(req)), nil
	}
	return nil, full.Wire(method, era.Version(req))
}

// classify returns the coded form of err, and beside it the *jsonrpc.Error
// that is to go out in its place, if there is one.
func classify(ctx context.Context, method string, req mcp.Request, err error) (*mcperrors.Error, *jsonrpc.Error) {
	_, isPanic := errors.AsType[*PanicError](err)
	if !isPanic && errors.Is(ctx.Err(), context.Canceled) {
		return &mcperrors.Error{Code: mcperrors.Canceled, Cause: err}, nil
	}
	if e := sdkError(method, req, err); e != nil {
		return e, nil
	}
	// A coded error also answers As for *jsonrpc.Error, so it is asked first.
	if _, ok := errors.AsType[*mcperrors.Error](err); !ok {
		if wire, ok := errors.AsType[*jsonrpc.Error](err); ok {
			return mcperrors.From(err), wire
		}
	}
	return mcperrors.From(err), nil
}

func onPurpose(wire *jsonrpc.Error, data json.RawMessage) *jsonrpc.Error {
	out := &jsonrpc.Error{Code: wire.Code, Message: clip(wire.Message, maxMessage), Data: wire.Data}
	if len(out.Data) == 0 || !json.Valid(out.Data) {
		out.Data = data
	}
	return out
}

// complete is a result with the resultType that 2026-07-28 demands. go-sdk sets
// it where it calls the tool, which is below; the field is its own, and only
// decoding reaches it.
var complete = func() (res mcp.CallToolResult) {
	if err := json.Unmarshal([]byte(`{"content":[],"resultType":"complete"}`), &res); err != nil {
		panic(err)
	}
	return res
}()

// toolResult is always a new one: go-sdk writes to the results it sends.
func toolResult(e *mcperrors.Error, version string) *mcp.CallToolResult {
	data := e.Data()
	if data.Details != nil {
		if _, err := json.Marshal(data.Details); err != nil {
			data.Details = nil // else there would be no answer at all
		}
	}
	var res mcp.CallToolResult
	if era.IsModern(version) {
		res = complete
	}
	res.Meta = mcp.Meta{ErrorMetaKey: data}
	res.Content = []mcp.Content{&mcp.TextContent{Text: e.Text()}}
	res.SetError(e)
	return &res
}
