package auth_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A ledger is a sink that a test reads, and breaks.
type ledger struct {
	mu      sync.Mutex
	records []*auth.AuditRecord
	err     error
	hold    chan struct{} // if not nil, records wait for it
}

func (l *ledger) Audit(_ context.Context, r *auth.AuditRecord) error {
	if l.hold != nil {
		<-l.hold
	}
	runtime.Gosched() // others have their turn
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.records = append(l.records, r)
	return nil
}

func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *ledger) names() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for _, r := range l.records {
		names = append(names, r.Actions[0].Name)
	}
	return strings.Join(names, " ")
}

// calls returns a function that calls a tool by name, behind an audit and a
// policy; the tool "panics" does.
func calls(t *testing.T, o auth.AuditOptions) func(name string) error {
	t.Helper()
	o.Policy = newPolicy(t, auth.PolicySpec{Roles: map[string][]string{"r": {"execute:tools:a*", "execute:tools:panics"}}})
	h := auth.Audit(o)(auth.Authorize(auth.AuthorizeOptions{Policy: o.Policy})(
		func(_ context.Context, _ string, req mcp.Request) (mcp.Result, error) {
			switch name := req.GetParams().(*mcp.CallToolParamsRaw).Name; name {
			case "panics":
				panic("oops")
			case "a-fails":
				return nil, mcperrors.Errorf(mcperrors.Conflict, "no")
			case "a-tool-error":
				return &mcp.CallToolResult{IsError: true}, nil
			}
			return &mcp.CallToolResult{}, nil
		}))
	who := known([]string{"r"}, nil)
	who.Tenant = "acme"
	ctx := auth.WithPrincipal(t.Context(), who)
	return func(name string) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		_, err = h(ctx, "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{
			Name: name, Arguments: []byte(`{"password":"hunter2"}`),
			Meta: mcp.Meta{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		}})
		return err
	}
}

func TestAudit_HasOneRecordACallAllowedOrDenied(t *testing.T) {
	var l ledger
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(`{"password":"hunter2"}`)))
	call := calls(t, auth.AuditOptions{Sink: &l, RequestID: func(context.Context) string { return "id" }})
	for i, c := range []struct {
		name, outcome, reason string
		denied                bool
	}{
		{"a", "ok", `granted as execute:tools:a* by role "r"`, false},
		{"b", "not_found", "nothing grants it", true},
		{"a-fails", "conflict", `by role "r"`, false},
		{"a-tool-error", "tool_error", `by role "r"`, false},
		{"panics", "panic", `by role "r"`, false},
	} {
		if err := call(c.name); c.outcome == "panic" && (err == nil || err.Error() != "panic: oops") {
			t.Errorf("the panic ended in %v", err)
		}
		if len(l.records) != i+1 {
			t.Fatalf("%s: %d records", c.name, len(l.records))
		}
		r := l.records[i]
		if r.Outcome != c.outcome || r.Denied != c.denied || !strings.Contains(r.Reason(), c.reason) || r.Actions[0].String() != "execute:tools:"+c.name {
			t.Errorf("%s: %+v, %s", c.name, r, r.Reason())
		}
		if r.RequestID != "id" || r.TraceID != "0af7651916cd43dd8448eb211c80319c" || r.Principal != `"https://i""ann"` || r.Tenant != "acme" || r.Method != "tools/call" ||
			r.Arguments != digest || r.Time.IsZero() {
			t.Errorf("%s: %+v", c.name, r)
		}
		if strings.Contains(fmt.Sprintf("%+v", r), "hunter2") {
			t.Errorf("the arguments are in it: %+v", r)
		}
	}
	plain := l.records[0].Arguments
	call = calls(t, auth.AuditOptions{Sink: &l, DigestKey: []byte("k")})
	_ = call("a")
	if keyed := l.records[5].Arguments; keyed == plain || len(keyed) != 64 {
		t.Errorf("the key changes nothing: %s", keyed)
	}
}

func TestAudit_ASinkThatFailsFailsNoCallUnlessToldTo(t *testing.T) {
	l := ledger{err: errors.New("disk full")}
	refused := 0
	call := calls(t, auth.AuditOptions{Sink: &l, OnError: func(*auth.AuditRecord, error) { refused++ }})
	if err := call("a"); err != nil || refused != 1 {
		t.Errorf("%v, %d", err, refused)
	}
}

func TestAudit_FailClosedAnswersAndRunsNothingThatIsNotRecorded(t *testing.T) {
	l := ledger{err: errors.New("disk full at /var/audit")}
	call := calls(t, auth.AuditOptions{Sink: &l, FailClosed: true})
	for _, name := range []string{"a1", "a2", "a3"} {
		err := call(name)
		if mcperrors.CodeOf(err) != mcperrors.Unavailable || strings.Contains(mcperrors.From(err).Text(), "/var") {
			t.Fatalf("%s: %v", name, err)
		}
	}
	l.fail(nil)
	if err := call("a4"); err != nil {
		t.Error(err)
	}
	if got := l.names(); got != "a1 a4" { // a2 and a3 did not run
		t.Errorf("recorded: %s", got)
	}
}

func TestAudit_FailClosedWhileOthersRun(t *testing.T) {
	var l ledger
	var answered sync.Map // or refused after they ran
	call := calls(t, auth.AuditOptions{Sink: &l, FailClosed: true, OnError: func(r *auth.AuditRecord, _ error) {
		answered.Store(r.Actions[0].Name, true)
	}})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if n == 0 && i%20 == 0 {
					l.fail(errors.New("down"))
				} else if n == 0 && i%20 == 10 {
					l.fail(nil)
				}
				name := fmt.Sprintf("a-%d-%d", n, i)
				if call(name) == nil {
					answered.Store(name, true)
				}
			}
		})
	}
	wg.Wait()
	l.fail(nil)
	if err := call("a-last"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for name := range strings.FieldsSeq(l.names()) {
		seen[name]++
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s has %d records", name, n)
		}
	}
	answered.Range(func(name, _ any) bool {
		if seen[name.(string)] != 1 {
			t.Errorf("%s ran and is not recorded", name)
		}
		return true
	})
}

func TestBufferedSink_NeverWaitsAndCountsWhatIsLost(t *testing.T) {
	l := ledger{hold: make(chan struct{})}
	var lost sync.Map
	b := auth.NewBufferedSink(&l, 2, func(r *auth.AuditRecord, err error) { lost.Store(r.Actions[0].Name, err) })
	call := calls(t, auth.AuditOptions{Sink: b, FailClosed: true})
	for n := range 10 { // one is held, two wait
		if err := call(fmt.Sprintf("a%d", n)); err != nil {
			t.Error(err)
		}
	}
	close(l.hold)
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	kept := strings.Fields(l.names())
	if n := int64(len(kept)); n < 2 || n > 3 || b.Lost() != 10-n {
		t.Errorf("kept %s, lost %d", kept, b.Lost())
	}
	told := int64(0)
	lost.Range(func(any, any) bool { told++; return true })
	if told != b.Lost() || !strings.HasPrefix(strings.Join(kept, " "), "a0 a1") {
		t.Errorf("kept %s, told of %d", kept, told)
	}
	if err := call("late"); b.Close(t.Context()) != nil {
		t.Error(err)
	}
}

func TestBufferedSink_CloseEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger{hold: make(chan struct{})}
		b := auth.NewBufferedSink(&l, 0, nil)
		call := calls(t, auth.AuditOptions{Sink: b})
		_, _, _ = call("a1"), call("a2"), call("a3")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(l.hold)
		synctest.Wait()
		if b.Lost() != 2 || l.names() != "a1" {
			t.Errorf("lost %d, kept %s", b.Lost(), l.names())
		}
	})
}
