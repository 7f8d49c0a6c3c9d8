package mcptest

import (
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A Read is the outcome of reading a resource.
type Read struct {
	Outcome

	// Result is what the server answered; nil if reading failed.
	Result *mcp.ReadResourceResult
}

// Read reads the resource uri.
func (c *Client) Read(uri string) *Read {
	c.tb.Helper()
	read := &Read{Outcome: c.outcome("read", uri)}
	params := &mcp.ReadResourceParams{URI: uri}
	params.SetProgressToken(read.token)
	read.Result, read.Err = c.ReadResource(c.tb.Context(), params)
	return read
}

// OK fails the test unless the resource was read.
func (r *Read) OK() *Read {
	r.c.tb.Helper()
	r.ok()
	return r
}

// Fails fails the test unless reading failed with code.
func (r *Read) Fails(code mcperrors.Code) *Read {
	r.c.tb.Helper()
	r.fails(code)
	return r
}

// Text returns the text contents, joined by newlines; of a failure, its message.
func (r *Read) Text() string {
	if r.Result == nil {
		return r.Err.Error()
	}
	var texts []string
	for _, part := range r.Result.Contents {
		if part.Blob == nil {
			texts = append(texts, part.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Bytes returns the binary contents, one behind the other.
func (r *Read) Bytes() []byte {
	var blobs [][]byte
	if r.Result != nil {
		for _, part := range r.Result.Contents {
			blobs = append(blobs, part.Blob)
		}
	}
	return slices.Concat(blobs...)
}

// Decode decodes the text as JSON into v, and fails the test if it does not fit.
func (r *Read) Decode(v any) *Read {
	r.c.tb.Helper()
	r.OK()
	r.decode([]byte(r.Text()), v)
	return r
}
