package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// An AuditRecord is one call, as it was decided and as it ended. What the caller
// sent is in it only as names and a digest.
type AuditRecord struct {
	// ID tells the record from all others. A record that is given to a sink again,
	// because it failed, has the same.
	ID       string
	Time     time.Time // when the call came
	Duration time.Duration

	RequestID string
	TraceID   string // of the W3C traceparent in the headers or in _meta; "" without one

	Principal string // [Principal.Key]; "" for anonymous callers
	Tenant    string
	Method    string
	Actions   []Action // what was asked for; none for lists
	// Arguments is the SHA-256 of the arguments as they were sent, in hexadecimal,
	// or their HMAC with [AuditOptions.DigestKey]; "" without arguments.
	Arguments string

	// Denied reports whether the policy, a need or a view was against it.
	Denied bool
	// Outcome is "ok", "tool_error" for a failure without a code, "panic", or the
	// code of the error that answered.
	Outcome string

	decision Decision
	reason   string
}

// Reason says why the call was denied or allowed; "" where nothing was decided.
// It is worked out when it is asked for.
func (r *AuditRecord) Reason() string {
	switch {
	case r.reason != "":
		return r.reason
	case r.decision.policy != nil:
		return r.decision.Explain()
	}
	return ""
}

// A Sink keeps audit records. It returns nil once the record is as safe as it
// makes them. It is called by many calls at the same time, and must not change
// the record.
type Sink interface {
	Audit(ctx context.Context, r *AuditRecord) error
}

// AuditOptions configure [Audit].
type AuditOptions struct {
	// Sink gets the records. It must not be nil.
	Sink Sink
	// Policy explains what was allowed. Nil means no explanation.
	Policy *Policy
	// RequestID names the call. Nil means that records have no request id.
	RequestID func(ctx context.Context) string
	// DigestKey makes the digests of arguments useless to those who would guess
	// them. Empty means a plain SHA-256.
	DigestKey []byte
	// FailClosed refuses calls, with code unavailable, while the sink fails. A
	// call whose record is refused is not answered with its result, though it has
	// run; its record is kept, and nothing runs before the sink has taken it.
	FailClosed bool
	// OnError is told of records that the sink refused. Nil means nobody is.
	OnError func(r *AuditRecord, err error)
}

// Audit records every call that something is decided about, and lists: not
// handshakes, pings and notifications. It belongs outside [Authorize], to see
// what is denied, and inside middleware.Errors, to see why.
//
// The sink is waited for, for at most ten seconds: see [BufferedSink] for one
// that is not.
func Audit(o AuditOptions) mcp.Middleware {
	a := &auditor{AuditOptions: o}
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			wants := wantedBy(nil, method, req.GetParams())
			if _, isList := lists[method]; !isList && wants == nil {
				return next(ctx, method, req)
			} else if isList {
				wants = nil
			}
			return a.handle(ctx, next, method, req, wants)
		}
	}
}

type auditor struct {
	AuditOptions

	owed arrears
}

func (a *auditor) handle(ctx context.Context, next mcp.MethodHandler, method string, req mcp.Request, wants []wanted) (res mcp.Result, err error) {
	if a.FailClosed {
		if err := a.owed.settle(ctx, a.write); err != nil {
			return nil, errNotAudited(err)
		}
	}
	r := a.begin(ctx, method, req, wants)
	defer func() {
		v := recover()
		r.end(res, err, v)
		if failed := a.record(ctx, r); failed != nil && v == nil {
			res, err = nil, errNotAudited(failed)
		}
		if v != nil {
			panic(v) // for middleware.Errors to answer
		}
	}()
	return next(ctx, method, req)
}

// record writes r; it returns an error only if that is to fail the call.
func (a *auditor) record(ctx context.Context, r *AuditRecord) error {
	err := a.write(ctx, r)
	if err == nil {
		return nil
	}
	if a.OnError != nil {
		a.OnError(r, err)
	}
	if !a.FailClosed {
		return nil
	}
	a.owed.add(r)
	return err
}

// auditTime is how long a sink may take. The end of a call does not end it: a
// caller that leaves is recorded like others.
const auditTime = 10 * time.Second

func (a *auditor) write(ctx context.Context, r *AuditRecord) error {
	return inAuditTime(ctx, func(ctx context.Context) error { return a.Sink.Audit(ctx, r) })
}

func inAuditTime(ctx context.Context, write func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("auth: the audit sink panicked: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTime)
	defer cancel()
	return write(ctx)
}

func errNotAudited(cause error) error {
	return mcperrors.Wrap(mcperrors.Unavailable, "the call cannot be recorded; retry later", cause)
}

func (a *auditor) begin(ctx context.Context, method string, req mcp.Request, wants []wanted) *AuditRecord {
	who, _ := PrincipalFrom(ctx)
	r := &AuditRecord{
		ID: eventstore.NewID(), Time: time.Now(), Principal: who.Key(), Method: method,
		TraceID: traceID(req), Arguments: a.digest(req.GetParams()),
	}
	if who != nil {
		r.Tenant = who.Tenant
	}
	if a.RequestID != nil {
		r.RequestID = a.RequestID(ctx)
	}
	for _, w := range wants {
		r.Actions = append(r.Actions, w.action)
	}
	if a.Policy != nil && len(wants) > 0 {
		r.decision = a.Policy.Decide(ctx, who, wants[0].action)
	}
	return r
}

func (r *AuditRecord) end(res mcp.Result, err error, panicked any) {
	r.Duration = time.Since(r.Time)
	if tool, ok := res.(*mcp.CallToolResult); ok && tool != nil && err == nil && panicked == nil && tool.IsError {
		r.Outcome = "tool_error"
		if e, ok := errors.AsType[*mcperrors.Error](tool.GetError()); ok {
			r.Outcome = string(mcperrors.CodeOf(e))
		}
		return
	}
	switch {
	case panicked != nil:
		r.Outcome = "panic"
	case err == nil:
		r.Outcome = "ok"
	default:
		r.Outcome = string(mcperrors.CodeOf(err))
		if d, ok := deniedBy(err); ok {
			r.Denied, r.reason = true, d
			if r.Outcome != string(mcperrors.Authorization) {
				r.Outcome = string(mcperrors.NotFound) // go-sdk has no code of its own for it
			}
		}
	}
}

// A denier is the cause of an error that says that a caller may not do something.
type denier interface {
	error
	Denied() string
}

func deniedBy(err error) (reason string, ok bool) {
	d, ok := errors.AsType[denier](err)
	if !ok {
		return "", false
	}
	return d.Denied(), true
}

// digest returns the digest of what a call was given.
func (a *auditor) digest(params mcp.Params) string {
	var args []byte
	switch p := params.(type) {
	case *mcp.CallToolParamsRaw:
		args = p.Arguments
	case *mcp.GetPromptParams:
		if len(p.Arguments) > 0 {
			args, _ = json.Marshal(p.Arguments) //nolint:errchkjson // texts always encode, sorted by their names
		}
	}
	if len(args) == 0 {
		return ""
	}
	if len(a.DigestKey) == 0 {
		sum := sha256.Sum256(args)
		return hex.EncodeToString(sum[:])
	}
	mac := hmac.New(sha256.New, a.DigestKey)
	mac.Write(args)
	return hex.EncodeToString(mac.Sum(nil))
}

// traceID reads the W3C traceparent, "00-" and 32 digits of the trace id.
func traceID(req mcp.Request) string {
	var parent string
	if extra := req.GetExtra(); extra != nil {
		parent = extra.Header.Get("Traceparent")
	}
	if parent == "" {
		if p, ok := req.GetParams().(mcp.RequestParams); ok && p != nil {
			parent, _ = p.GetMeta()["traceparent"].(string)
		}
	}
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[1]
}
