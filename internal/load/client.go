package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
)

// A client is one connection, and in legacy one session.
type client struct {
	run     *run
	http    http.Client
	session string
	id      int
}

// mostAnswered bounds what is read of one answer.
const mostAnswered = 64 << 20

// connect makes a client, with a session for legacy servers that have sessions.
func (r *run) connect(ctx context.Context) (*client, error) {
	c := &client{run: r, http: http.Client{Transport: r.through()}}
	if era.IsModern(r.target.Version) {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.plan.Timeout)
	defer cancel()
	params := map[string]any{
		"protocolVersion": r.target.Version, "capabilities": struct{}{},
		"clientInfo": map[string]string{"name": "trestle-load", "version": "1"},
	}
	res, err := c.post(ctx, "initialize", "", params, true) //nolint:bodyclose // answer closes it
	if err != nil {
		return nil, err
	}
	c.session = res.Header.Get("Mcp-Session-Id")
	if _, err := answer(res); err != nil {
		return nil, err
	}
	res, err = c.post(ctx, "notifications/initialized", "", struct{}{}, false)
	if err != nil {
		return nil, err
	}
	return c, drain(res)
}

// close ends the session, as far as that is quickly done.
func (c *client) close() {
	if c.session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.run.target.URL, nil)
	if err != nil {
		return
	}
	c.header(req)
	if res, err := c.http.Do(req); err == nil {
		_ = drain(res) // the session ends by itself otherwise
	}
}

// call calls a tool for the n-th time.
func (c *client) call(call Call, n int) error {
	args, err := call.arguments(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.run.plan.Timeout)
	defer cancel()
	params := map[string]any{"name": call.Tool, "arguments": args}
	res, err := c.post(ctx, "tools/call", call.Tool, params, true) //nolint:bodyclose // answer closes it
	if err == nil {
		var raw json.RawMessage
		if raw, err = answer(res); err == nil {
			return failure(raw)
		}
	}
	if ctx.Err() != nil {
		return errTimeout
	}
	return err
}

// post sends a request, or a notification, which has no id.
func (c *client) post(ctx context.Context, method, name string, params any, request bool) (*http.Response, error) {
	modern := era.IsModern(c.run.target.Version)
	if fields, ok := params.(map[string]any); ok && modern {
		fields["_meta"] = map[string]any{
			"io.modelcontextprotocol/protocolVersion":    c.run.target.Version,
			"io.modelcontextprotocol/clientCapabilities": struct{}{},
		}
	}
	message := map[string]any{"jsonrpc": "2.0", "method": method, "params": params}
	if request {
		c.id++
		message["id"] = c.id
	}
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.run.target.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	c.header(req)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if modern {
		req.Header.Set("Mcp-Method", method)
		if name != "" {
			req.Header.Set("Mcp-Name", name)
		}
	}
	return c.http.Do(req)
}

func (c *client) header(req *http.Request) {
	maps.Copy(req.Header, c.run.target.Header)
	req.Header.Set("Mcp-Protocol-Version", c.run.target.Version)
	if c.session != "" {
		req.Header.Set("Mcp-Session-Id", c.session)
	}
}

func drain(res *http.Response) error {
	_, err := io.Copy(io.Discard, io.LimitReader(res.Body, mostAnswered))
	return errors.Join(err, res.Body.Close())
}

// answer reads the result of a request, from JSON or an event stream.
func answer(res *http.Response) (json.RawMessage, error) {
	defer func() { _ = res.Body.Close() }()
	body := io.LimitReader(res.Body, mostAnswered)
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch kind {
	case "text/event-stream":
		return streamed(body)
	case "application/json":
		raw, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		result, _, err := decode(raw)
		return result, err
	default:
		_, _ = io.Copy(io.Discard, body) // what cannot be read frees the connection
		return nil, &statusError{res.StatusCode}
	}
}

// streamed reads an event stream up to the answer.
func streamed(body io.Reader) (json.RawMessage, error) {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if data = bytes.TrimSpace(data); len(data) > 0 {
				result, final, err := decode(data)
				if err != nil || final {
					_, _ = io.Copy(io.Discard, lines) // to its end, to keep the connection
					return result, err
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("the stream ended without an answer: %w", err)
		}
	}
}

// decode reads one message; final is false for those that are no answer.
func decode(raw []byte) (result json.RawMessage, final bool, err error) {
	var message struct {
		Method string          `json:"method"`
		Result json.RawMessage `json:"result"`
		Error  *jsonrpc.Error  `json:"error"`
	}
	if err := json.Unmarshal(raw, &message); err != nil {
		return nil, false, fmt.Errorf("an answer that is no JSON-RPC: %w", err)
	}
	switch {
	case message.Error != nil:
		return nil, true, mcperrors.From(message.Error)
	case message.Result == nil:
		return nil, false, nil
	}
	return message.Result, true, nil
}

// A toolError stands for a tool that answered with an error and no code.
type toolError struct{ text string }

func (e *toolError) Error() string { return e.text }

// failure returns the error that a tool answered with, or nil.
func failure(raw json.RawMessage) error {
	if !bytes.Contains(raw, []byte(`"isError"`)) {
		return nil // most answers, without decoding them
	}
	var result struct {
		IsError bool `json:"isError"`
		Content []struct{ Text string }
		Meta    map[string]json.RawMessage `json:"_meta"`
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		return fmt.Errorf("a result that cannot be read: %w", err)
	}
	if !result.IsError {
		return nil
	}
	text := "the tool answered with an error"
	if len(result.Content) > 0 {
		text, _, _ = strings.Cut(result.Content[0].Text, "\n")
	}
	for name, told := range result.Meta {
		if strings.HasSuffix(name, "/error") {
			return mcperrors.From(&jsonrpc.Error{Message: text, Data: told})
		}
	}
	return &toolError{text}
}

type statusError struct{ status int }

func (e *statusError) Error() string {
	return "HTTP status " + strconv.Itoa(e.status) + " " + http.StatusText(e.status)
}

// classify names a failure for the report; "" is none.
func classify(err error) (code, message string) {
	var tool *toolError
	var status *statusError
	var coded *mcperrors.Error
	switch {
	case err == nil:
		return "", ""
	case errors.Is(err, errTimeout):
		code = "timeout"
	case errors.As(err, &tool):
		code = "tool"
	case errors.As(err, &status):
		code = "http " + strconv.Itoa(status.status)
	case errors.As(err, &coded):
		code = string(coded.Code)
	default:
		code = "connection"
	}
	return code, err.Error()
}
