package mcptest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// An Outcome is what came of a request, and what may be said of every kind of
// request.
type Outcome struct {
	// Err is the failure: a protocol error or an isError result, or nil.
	Err error

	c     *Client
	what  string
	token string
}

// callCounter makes the progress tokens by which the messages of a request are
// told from those of others.
type callCounter struct{ n atomic.Int64 }

func (c *Client) outcome(what string, args any) Outcome {
	return Outcome{
		c: c, what: what + "(" + asJSON(args) + ")",
		token: "mcptest-" + strconv.FormatInt(c.calls.n.Add(1), 10),
	}
}

// ok fails the test unless the request succeeded.
func (o *Outcome) ok() {
	o.c.tb.Helper()
	if o.Err != nil {
		o.fatalf("failed: %v", o.Err)
	}
}

// fails fails the test unless the request failed with code.
func (o *Outcome) fails(code mcperrors.Code) {
	o.c.tb.Helper()
	switch got := mcperrors.CodeOf(o.Err); {
	case o.Err == nil:
		o.fatalf("succeeded, want a failure with code %s", code)
	case got != code:
		o.fatalf("failed with code %s, want %s: %v", got, code, o.Err)
	}
}

// equal fails the test with a diff unless got, as JSON, is what want is as JSON.
func (o *Outcome) equal(got, want any) {
	o.c.tb.Helper()
	g, err := normal(got)
	if err != nil {
		o.fatalf("answered what is no JSON: %v", err)
		return
	}
	w, err := normal(want)
	if err != nil {
		o.fatalf("want what is no JSON: %v", err)
		return
	}
	if diff := cmp.Diff(w, g); diff != "" {
		o.fatalf("answered otherwise (-want +got):\n%s", diff)
	}
}

// decode decodes JSON into v, and fails the test where it does not fit.
func (o *Outcome) decode(raw []byte, v any) {
	o.c.tb.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		o.fatalf("answered %s, which does not fit %T: %v", raw, v, err)
	}
}

// Exchange returns the messages that belong to the request, in their order on
// the wire: the request, notifications of progress, what the server asked in
// between, and the answer.
func (o *Outcome) Exchange() []Message {
	var messages []Message
	for _, m := range o.c.x.of(o.token) {
		messages = append(messages, m.Message)
	}
	return messages
}

// Progress returns the notifications of progress that came before the answer.
func (o *Outcome) Progress() []mcp.ProgressNotificationParams {
	o.c.tb.Helper()
	var all []mcp.ProgressNotificationParams
	for _, m := range o.c.x.of(o.token) {
		if m.Sent || m.Method != "notifications/progress" {
			continue
		}
		var p mcp.ProgressNotificationParams
		if err := m.DecodeParams(&p); err != nil {
			o.fatalf("has progress that cannot be read: %v", err)
			return nil
		}
		all = append(all, p)
	}
	return all
}

// fatalf fails the test, with what went over the wire.
func (o *Outcome) fatalf(format string, args ...any) {
	o.c.tb.Helper()
	o.c.fatalf("%s %s%s", o.what, fmt.Sprintf(format, args...), show(o.c.x.of(o.token)))
}

// normal returns v as JSON decodes it, with numbers as they are written.
func normal(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var out any
	err = decoder.Decode(&out)
	return out, err
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
