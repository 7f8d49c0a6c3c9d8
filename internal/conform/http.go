package conform

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
	"strings"

	"github.com/trestle-mcp/trestle/internal/era"
)

// HTTP carries messages to the URL of a server. It is for one conversation.
type HTTP struct {
	URL    string
	Header http.Header  // sent with each request, such as Authorization; may be nil
	Client *http.Client // nil means [http.DefaultClient]

	version string
	session string
}

// mostRead bounds what is read of one answer.
const mostRead = 64 << 20

// Opened implements [Wire].
func (h *HTTP) Opened(version string) { h.version = version }

// Exchange implements [Wire].
func (h *HTTP) Exchange(ctx context.Context, message []byte, wantsAnswer bool) ([]byte, error) {
	res, err := h.post(ctx, message, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if id := res.Header.Get("Mcp-Session-Id"); id != "" && h.session == "" && !era.IsModern(h.version) {
		h.session = id
	}
	if !wantsAnswer {
		_, err := io.Copy(io.Discard, io.LimitReader(res.Body, mostRead))
		if err == nil && res.StatusCode/100 != 2 {
			err = fmt.Errorf("a notification is answered with status %d, want 202", res.StatusCode)
		}
		return nil, err
	}
	return body(res, message)
}

// post sends a message; edit may change the request before it goes.
func (h *HTTP) post(ctx context.Context, message []byte, edit func(*http.Request)) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	h.headers(req)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if era.IsModern(h.version) {
		var m struct {
			Method string
			Params struct{ Name, URI string }
		}
		if json.Unmarshal(message, &m) == nil && m.Method != "" {
			req.Header.Set("Mcp-Method", m.Method)
			if name := m.Params.Name + m.Params.URI; name != "" {
				req.Header.Set("Mcp-Name", name)
			}
		}
	}
	if edit != nil {
		edit(req)
	}
	return h.do(req)
}

func (h *HTTP) headers(req *http.Request) {
	maps.Copy(req.Header, h.Header)
	if h.version != "" {
		req.Header.Set("Mcp-Protocol-Version", h.version)
	}
	if h.session != "" {
		req.Header.Set("Mcp-Session-Id", h.session)
	}
}

func (h *HTTP) do(req *http.Request) (*http.Response, error) {
	client := h.Client
	if client == nil {
		client = http.DefaultClient
	}
	return client.Do(req)
}

// body returns the response in the body: all of it, or that of an event stream
// which answers the message.
func body(res *http.Response, message []byte) ([]byte, error) {
	limited := io.LimitReader(res.Body, mostRead)
	switch kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind {
	case "application/json":
		return io.ReadAll(limited)
	case "text/event-stream":
		return streamed(limited, message)
	default:
		raw, _ := io.ReadAll(io.LimitReader(limited, 200))
		return nil, fmt.Errorf("answered with status %d and content type %q (%q), want JSON-RPC",
			res.StatusCode, res.Header.Get("Content-Type"), raw)
	}
}

func streamed(r io.Reader, message []byte) ([]byte, error) {
	var request struct{ ID json.RawMessage }
	_ = json.Unmarshal(message, &request) // broken ones are answered with the first response
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			var m struct {
				ID     json.RawMessage
				Method string
			}
			data = bytes.TrimSpace(data)
			if json.Unmarshal(data, &m) == nil && m.Method == "" && (request.ID == nil || bytes.Equal(m.ID, request.ID)) {
				return data, nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("the event stream ends without the answer: %w", err)
		}
	}
}

// httpRules are those of streamable HTTP.
func httpRules(h *HTTP, version string) []rule {
	transports := page(version, "basic/transports") + "#streamable-http"
	rules := []rule{
		{"http-accepted", transports, h.accepted},
		{"http-origin", transports, h.origin},
		{"http-content-type", transports, h.contentType},
	}
	if era.IsModern(version) {
		return append(rules,
			rule{"http-header-mismatch", transports, h.mismatch},
			rule{"http-unsupported-version", transports, h.unsupported},
		)
	}
	return append(rules,
		rule{"http-session-id", transports, h.sessionID},
		rule{"http-unknown-session", transports, h.unknownSession},
		rule{"http-deleted-session", transports, h.deletedSession}, // the last: it ends the conversation
	)
}

// status sends a harmless request, edited, and returns the answer's status.
func (h *HTTP) status(ctx context.Context, c *conversation, edit func(*http.Request)) (int, error) {
	message := c.message(4711, c.harmless(), nil)
	res, err := h.post(ctx, message, edit)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := body(res, message); err != nil && res.StatusCode/100 == 2 {
		return 0, err
	}
	return res.StatusCode, nil
}

func (h *HTTP) accepted(ctx context.Context, c *conversation) error {
	res, err := h.post(ctx, c.message(nil, "notifications/cancelled", late), nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 200))
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusAccepted:
		return fmt.Errorf("a notification is answered with status %d, want 202", res.StatusCode)
	case len(raw) > 0:
		return fmt.Errorf("a notification is answered with a body: %q", raw)
	}
	return nil
}

func (h *HTTP) origin(ctx context.Context, c *conversation) error {
	status, err := h.status(ctx, c, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example.com") })
	if err == nil && status != http.StatusForbidden {
		err = fmt.Errorf("a browser's request from another site is answered with status %d, want 403", status)
	}
	return err
}

func (h *HTTP) contentType(ctx context.Context, c *conversation) error {
	status, err := h.status(ctx, c, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
	if err == nil && status/100 != 4 {
		err = fmt.Errorf("a body of type text/plain, which any web page may send, is answered with status %d, want 415", status)
	}
	return err
}

func (h *HTTP) mismatch(ctx context.Context, c *conversation) error {
	return h.refuses(ctx, c, headerMismatch, func(r *http.Request) { r.Header.Set("Mcp-Method", "tools/list") })
}

func (h *HTTP) unsupported(ctx context.Context, c *conversation) error {
	const future = "2999-01-01"
	raw := bytes.ReplaceAll(c.message(4711, c.harmless(), nil), []byte(c.version), []byte(future))
	return h.refusesMessage(ctx, raw, unsupportedVersion, func(r *http.Request) { r.Header.Set("Mcp-Protocol-Version", future) })
}

// refuses sends a harmless request, edited, which has to be refused with status
// 400 and a code.
func (h *HTTP) refuses(ctx context.Context, c *conversation, code int64, edit func(*http.Request)) error {
	return h.refusesMessage(ctx, c.message(4711, c.harmless(), nil), code, edit)
}

func (h *HTTP) refusesMessage(ctx context.Context, message []byte, code int64, edit func(*http.Request)) error {
	res, err := h.post(ctx, message, edit)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := body(res, message)
	if err != nil {
		return err
	}
	a := new(answer)
	if err := json.Unmarshal(raw, a); err != nil {
		return fmt.Errorf("answered with %.200q, which is no JSON-RPC response: %w", raw, err)
	}
	if res.StatusCode != http.StatusBadRequest {
		return fmt.Errorf("answered with status %d, want 400", res.StatusCode)
	}
	return a.refused(code)
}

func (h *HTTP) sessionID(context.Context, *conversation) error {
	if h.session == "" {
		return skipError("the server has no sessions")
	}
	if i := strings.IndexFunc(h.session, func(r rune) bool { return r < 0x21 || r > 0x7e }); i >= 0 {
		return fmt.Errorf("the session id %q has a character that is not visible ASCII", h.session)
	}
	if len(h.session) < 16 {
		return fmt.Errorf("the session id %q has %d characters: it can be guessed", h.session, len(h.session))
	}
	return nil
}

func (h *HTTP) unknownSession(ctx context.Context, c *conversation) error {
	if h.session == "" {
		return skipError("the server has no sessions")
	}
	status, err := h.status(ctx, c, func(r *http.Request) { r.Header.Set("Mcp-Session-Id", nobody) })
	if err == nil && status != http.StatusNotFound {
		err = fmt.Errorf("a session that it never gave is answered with status %d, want 404", status)
	}
	return err
}

func (h *HTTP) deletedSession(ctx context.Context, c *conversation) error {
	if h.session == "" {
		return skipError("the server has no sessions")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, h.URL, nil)
	if err != nil {
		return err
	}
	h.headers(req)
	res, err := h.do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	switch {
	case res.StatusCode == http.StatusMethodNotAllowed:
		return skipError("clients may not end sessions here")
	case res.StatusCode/100 != 2:
		return fmt.Errorf("DELETE is answered with status %d", res.StatusCode)
	}
	status, err := h.status(ctx, c, nil)
	if err == nil && status != http.StatusNotFound {
		err = fmt.Errorf("a session that was deleted is answered with status %d, want 404", status)
	}
	return err
}

var errClosed = errors.New("the server closed its side")
