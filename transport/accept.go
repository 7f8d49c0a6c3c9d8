package transport

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

const (
	typeJSON   = "application/json"
	typeStream = "text/event-stream"

	// usualAccept is what nearly every client sends, and admits both.
	usualAccept = typeJSON + ", " + typeStream
)

// checkContent refuses bodies that are not plain UTF-8 JSON by their headers.
func checkContent(h http.Header) *refusal {
	unsupported := func(text string) *refusal {
		return refuse(http.StatusUnsupportedMediaType, jsonrpc.CodeInvalidRequest, mcperrors.Validation, text)
	}
	types := h["Content-Type"]
	if len(types) != 1 {
		return unsupported("one Content-Type is needed: " + typeJSON)
	}
	if types[0] != typeJSON {
		media, params, err := mime.ParseMediaType(types[0])
		if err != nil || media != typeJSON {
			return unsupported("Content-Type must be " + typeJSON)
		}
		if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
			return unsupported("charset must be utf-8")
		}
	}
	for _, coding := range h["Content-Encoding"] {
		if !strings.EqualFold(coding, "identity") {
			return unsupported("Content-Encoding is not supported")
		}
	}
	return nil
}

// checkAccept refuses clients that would not read an answer of one of types.
func checkAccept(h http.Header, types ...string) *refusal {
	if values := h["Accept"]; len(values) == 1 && values[0] == usualAccept {
		return nil
	}
	accept := strings.Join(h["Accept"], ",")
	for _, t := range types {
		if !accepts(accept, t) {
			return refuse(http.StatusNotAcceptable, jsonrpc.CodeInvalidRequest, mcperrors.Validation,
				"Accept must admit "+strings.Join(types, " and "))
		}
	}
	return nil
}

// accepts reports whether an Accept header admits media by RFC 9110, section
// 12.5.1: the most specific range decides, and nothing at all admits all.
func accepts(accept, media string) bool {
	if strings.TrimSpace(accept) == "" {
		return true
	}
	kind, _, _ := strings.Cut(media, "/")
	best, admitted := 0, false
	for entry := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(entry, ";")
		rank := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case media:
			rank = 3
		case kind + "/*":
			rank = 2
		case "*/*":
			rank = 1
		}
		if rank > best {
			best, admitted = rank, quality(params) > 0
		}
	}
	return admitted
}

func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}
