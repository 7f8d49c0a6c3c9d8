// Package conform holds an MCP server to the rules that every server keeps,
// whatever it offers. It changes nothing in the server: of its tools it calls
// none that exists.
package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Result is how one rule was kept.
type Result struct {
	Rule    string `json:"rule"`              // such as "unknown-method"
	Version string `json:"protocol_version"`  // that was spoken
	Spec    string `json:"spec"`              // where it stands
	Problem string `json:"problem,omitempty"` // what was wrong; empty means kept
	Skipped string `json:"skipped,omitempty"` // why it was not looked at
}

// OK reports whether the rule was kept, or not looked at.
func (r Result) OK() bool { return r.Problem == "" }

// String says the result in one line.
func (r Result) String() string {
	switch {
	case r.Skipped != "":
		return fmt.Sprintf("skip %s (%s): %s", r.Rule, r.Version, r.Skipped)
	case r.Problem != "":
		return fmt.Sprintf("FAIL %s (%s): %s; see %s", r.Rule, r.Version, r.Problem, r.Spec)
	default:
		return fmt.Sprintf("ok   %s (%s)", r.Rule, r.Version)
	}
}

// A rule looks at one thing, and returns what is wrong.
type rule struct {
	name  string
	spec  string
	check func(context.Context, *conversation) error
}

// A skipError is returned by a rule that has nothing to look at.
type skipError string

func (e skipError) Error() string { return string(e) }

// perRule is what bounds one rule by default, so that a server that hangs fails
// only that one.
const perRule = 10 * time.Second

// Options change how [Run] looks. The zero value is fine.
type Options struct {
	// Each gets every result as soon as it is there. May be nil.
	Each func(Result)
	// Timeout is how long the server may take for one rule. Zero means 10 seconds.
	Timeout time.Duration
}

// Run holds the server behind w to all rules for a protocol version. The error is
// that the server cannot be talked to at all, or no longer.
func Run(ctx context.Context, w Wire, version string, o Options) ([]Result, error) {
	if o.Timeout <= 0 {
		o.Timeout = perRule
	}
	c := &conversation{wire: w, version: version, timeout: o.Timeout}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	rules := protocolRules(version)
	if h, ok := w.(*HTTP); ok {
		rules = append(rules, httpRules(h, version)...)
	}
	var results []Result
	for _, r := range rules {
		result := c.hold(ctx, r)
		results = append(results, result)
		if o.Each != nil {
			o.Each(result)
		}
		if err := ctx.Err(); err != nil {
			return results, err
		}
		if !result.OK() {
			if err := c.again(ctx); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}

// begin opens the conversation in bounded time.
func (c *conversation) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.open(ctx); err != nil {
		return fmt.Errorf("conform: the server does not speak %s: %w", c.version, err)
	}
	return nil
}

// again begins anew with a server that can be started again.
func (c *conversation) again(ctx context.Context) error {
	stdio, ok := c.wire.(*Stdio)
	if !ok {
		return nil
	}
	renewed, err := stdio.renew()
	if err != nil || !renewed {
		return err
	}
	return c.begin(ctx)
}

func (c *conversation) hold(ctx context.Context, r rule) Result {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	result := Result{Rule: r.name, Version: c.version, Spec: r.spec}
	var skip skipError
	switch err := r.check(ctx, c); {
	case errors.As(err, &skip):
		result.Skipped = string(skip)
	case err != nil && ctx.Err() != nil:
		result.Problem = fmt.Sprintf("no answer within %v (%v)", c.timeout, err)
	case err != nil:
		result.Problem = err.Error()
	}
	return result
}

// An answer is a JSON-RPC response.
type answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int64           `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// refused returns an error unless a was refused with one of the codes.
func (a *answer) refused(codes ...int64) error {
	if a.Error == nil {
		return fmt.Errorf("answered with the result %.200s, want an error with code %v", a.Result, codes)
	}
	if slices.Contains(codes, a.Error.Code) {
		return nil
	}
	return fmt.Errorf("refused with code %d (%.200s), want %v", a.Error.Code, a.Error.Message, codes)
}

// result returns the result decoded into v, or what it is instead.
func (a *answer) result(v any) error {
	if a.Error != nil {
		return fmt.Errorf("refused with code %d: %.200s", a.Error.Code, a.Error.Message)
	}
	if err := json.Unmarshal(a.Result, v); err != nil {
		return fmt.Errorf("the result %.200s does not fit: %w", a.Result, err)
	}
	return nil
}

// JSON-RPC's codes, and the protocol's own.
const (
	parseError         = -32700
	invalidRequest     = -32600
	methodNotFound     = -32601
	invalidParams      = -32602
	resourceNotFound   = -32002
	headerMismatch     = -32020
	unsupportedVersion = -32022
)
