package transport

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// maxError bounds the body of an error that go-sdk wrote, in bytes. Its texts
// repeat what the client sent.
const maxError = 4 << 10

// pass hands r to go-sdk and turns the errors it answers with into ours. id is
// the request's, or nil.
func (h *HTTPHandler) pass(sdk http.Handler, w http.ResponseWriter, r *http.Request, id json.RawMessage) {
	a := &answer{ResponseWriter: w}
	sdk.ServeHTTP(a, r)
	if ref := a.refused(); ref != nil {
		if ref.id == nil {
			ref.id = id
		}
		h.refuse(w, r, ref)
	}
}

// An answer is the ResponseWriter that go-sdk sees. It holds back answers of
// 400 and more until they can be judged, and lets everything else pass at once.
// Unwrap lets an http.ResponseController reach what is below.
type answer struct {
	http.ResponseWriter
	started bool         // the header was sent
	framed  bool         // an error comes after a stream began: make it an event
	status  int          // of an answer held back, or 0
	held    bytes.Buffer // its first bytes
}

// Unwrap returns the writer below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// FlushError implements what [http.ResponseController] looks for.
func (a *answer) FlushError() error {
	if a.status != 0 {
		return nil
	}
	a.started = true
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	switch {
	case a.started && status >= http.StatusBadRequest:
		// go-sdk writes a bare JSON body for some errors, also into a stream
		// that has begun.
		a.framed = true
	case a.started || a.status != 0:
	case status >= http.StatusBadRequest:
		a.status = status
	default:
		a.started = status >= http.StatusOK
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	if a.status != 0 {
		a.held.Write(p[:min(len(p), maxError-a.held.Len())])
		return len(p), nil
	}
	a.started = true
	if !a.framed {
		return a.ResponseWriter.Write(p)
	}
	event := append(append([]byte("event: message\ndata: "), p...), "\n\n"...)
	if _, err := a.ResponseWriter.Write(event); err != nil {
		return 0, err
	}
	return len(p), http.NewResponseController(a.ResponseWriter).Flush()
}

// refused returns the answer that was held back, or nil.
func (a *answer) refused() *refusal {
	if a.status == 0 {
		return nil
	}
	if strings.HasPrefix(a.Header().Get("Content-Type"), typeJSON) {
		return a.jsonRefusal()
	}
	return a.textRefusal(strings.TrimSpace(a.held.String()))
}

// jsonRefusal keeps a JSON-RPC error, without its texts if they are large.
func (a *answer) jsonRefusal() *refusal {
	var sent struct {
		ID    json.RawMessage `json:"id"`
		Error *jsonrpc.Error  `json:"error"`
	}
	if json.Unmarshal(a.held.Bytes(), &sent) != nil || sent.Error == nil {
		return &refusal{status: a.status, err: shortened(a.held.Bytes())}
	}
	return &refusal{status: a.status, id: sent.ID, err: sent.Error}
}

// shortened keeps the code of an error of which only the start is known.
func shortened(start []byte) *jsonrpc.Error {
	ref := invalidRequest("the request was refused")
	_, after, _ := bytes.Cut(start, []byte(`"error":{"code":`))
	number, _, _ := bytes.Cut(after, []byte(","))
	var code int64
	if json.Unmarshal(number, &code) == nil {
		ref.err.Code = code
	}
	return ref.err
}

// textRefusal gives a plain text error of go-sdk the shape of a JSON-RPC error.
func (a *answer) textRefusal(text string) *refusal {
	switch {
	case a.status >= http.StatusInternalServerError:
		ref := coded(&mcperrors.Error{Code: mcperrors.Internal}, "")
		ref.status = a.status
		return ref
	case strings.HasPrefix(text, "JSON RPC not handled"):
		return refuse(a.status, jsonrpc.CodeMethodNotFound, mcperrors.NotFound, "method not found")
	}
	ref := invalidRequest(strings.ToValidUTF8(text[:min(len(text), 2*maxMethod)], ""))
	ref.status = a.status
	return ref
}
