package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// A ledger knows of each call of a storm how often it ran and what its client
// saw.
type ledger struct {
	serial   atomic.Int64
	ran      sync.Map // serial to *atomic.Int64
	answered atomic.Int64
	broken   atomic.Int64 // the transport says that there is no answer
	refused  atomic.Int64
	opened   atomic.Int64
	closed   atomic.Int64
}

func (l *ledger) next() int64 {
	n := l.serial.Add(1)
	l.ran.Store(n, new(atomic.Int64))
	return n
}

// server has tools that note in the ledger that they ran: quick, slow, loud,
// which speaks first, and panics.
func (l *ledger) server() *mcp.Server {
	s := newServer(newGate())
	for _, name := range []string{"quick", "slow", "loud", "panic"} {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			var in struct {
				N int64 `json:"n"`
			}
			if err := json.Unmarshal(r.Params.Arguments, &in); err != nil {
				return nil, err
			}
			count, _ := l.ran.Load(in.N)
			count.(*atomic.Int64).Add(1)
			switch name {
			case "slow":
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(time.Duration(rand.IntN(200)) * time.Millisecond):
				}
			case "loud":
				for i := range rand.IntN(4) {
					_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Progress: float64(i)})
				}
			case "panic":
				panic("storm")
			}
			return textResult(fmt.Sprintf("n=%d", in.N)), nil
		})
	}
	return s
}

// A stormClient makes calls of either era and breaks many of them.
type stormClient struct {
	*ledger
	t       *testing.T
	http    *http.Client
	url     string
	rnd     *rand.Rand
	session string
}

func (c *stormClient) request(ctx context.Context, method, version, body string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", [2]string{"application/json, text/event-stream", "text/event-stream, application/json"}[c.rnd.IntN(2)])
	r.Header.Set("Mcp-Protocol-Version", version)
	if version != modern && c.session != "" {
		r.Header.Set("Mcp-Session-Id", c.session)
	}
	return r
}

// call makes one call and settles its account: exactly one answer, of its own,
// or an end that the transport tells.
func (c *stormClient) call(ctx context.Context, version string) {
	n := c.next()
	tool := [4]string{"quick", "slow", "loud", "panic"}[c.rnd.IntN(4)]
	extra := ""
	if version == modern {
		extra = "," + meta
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%s","arguments":{"n":%d}%s}}`, n, tool, n, extra)
	r := c.request(ctx, http.MethodPost, version, body)
	if version == modern {
		routed("tools/call", tool)(r)
	}
	res, err := c.http.Do(r)
	if err != nil {
		c.broken.Add(1)
		return
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	answers := bytes.Count(got, fmt.Appendf(nil, `"id":%d,`, n))
	switch {
	case answers == 1 && bytes.Count(got, []byte(`"id":`)) == 1:
		if res.StatusCode == http.StatusOK {
			c.answered.Add(1)
		} else {
			c.refused.Add(1)
		}
		if other := bytes.Contains(got, []byte(`"n=`)) && !bytes.Contains(got, fmt.Appendf(nil, `"n=%d"`, n)); other {
			c.t.Errorf("call %d got somebody else's answer: %.300s", n, got)
		}
	case answers == 0 && err != nil:
		c.broken.Add(1)
	default:
		c.t.Errorf("call %d of %s at %s: status %d, %d answers, %v: %.300q", n, tool, version, res.StatusCode, answers, err, got)
	}
}

// other sends what is no call and drops the answer.
func (c *stormClient) other(ctx context.Context, method, version, body string, alter func(*http.Request)) (session string) {
	r := c.request(ctx, method, version, body)
	if alter != nil {
		alter(r)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Header.Get("Mcp-Session-Id")
}

func (c *stormClient) run(ctx context.Context, rounds int) {
	open := func() {
		c.session = ""
		c.session = c.other(ctx, http.MethodPost, "", initialize(), nil)
	}
	open()
	for range rounds {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(1+c.rnd.IntN(250))*time.Millisecond)
		switch c.rnd.IntN(12) {
		case 0, 1, 2, 3:
			c.call(ctx, legacy)
		case 4, 5, 6:
			c.call(ctx, modern)
		case 7:
			c.other(ctx, http.MethodGet, legacy, "", nil)
		case 8:
			c.other(ctx, http.MethodPost, legacy, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, c.serial.Load()), nil)
		case 9:
			c.other(ctx, http.MethodPost, modern, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,`+meta+`}}`, routed("notifications/cancelled", ""))
		case 10:
			c.other(ctx, http.MethodPost, modern, listen, routed("subscriptions/listen", ""))
		case 11:
			c.other(ctx, http.MethodDelete, legacy, "", nil)
			open()
		}
		cancel()
	}
}

// check looks whether the books agree.
func (l *ledger) check(t *testing.T) {
	t.Helper()
	if got := l.answered.Load() + l.broken.Load() + l.refused.Load(); got != l.serial.Load() {
		t.Errorf("%d calls, %d outcomes", l.serial.Load(), got)
	}
	ran := int64(0)
	l.ran.Range(func(n, count any) bool {
		times := count.(*atomic.Int64).Load()
		if times > 1 {
			t.Errorf("call %v ran %d times", n, times)
		}
		ran += times
		return true
	})
	if ran < l.answered.Load() {
		t.Errorf("%d calls were answered, and only %d ran", l.answered.Load(), ran)
	}
	if l.opened.Load() != l.closed.Load() {
		t.Errorf("%d sessions were opened, %d closed", l.opened.Load(), l.closed.Load())
	}
	t.Logf("%d calls: %d ran, %d answered, %d refused, %d broken; %d sessions",
		l.serial.Load(), ran, l.answered.Load(), l.refused.Load(), l.broken.Load(), l.opened.Load())
}

// Run it with -race. Everything of both eras at random, and a drain in the
// middle, after which nothing may be left.
func TestStorm_TheBooksAgreeAndNothingIsLeft(t *testing.T) {
	for _, patience := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprintf("drain within %v", patience), func(t *testing.T) {
			before := runtime.NumGoroutine()
			l := &ledger{}
			s := l.server()
			h, err := transport.NewHTTPHandler(s, &transport.Options{
				SessionOpened: func(*mcp.ServerSession) { l.opened.Add(1) },
				SessionClosed: func(*mcp.ServerSession, transport.SessionEnd) { l.closed.Add(1) },
			})
			if err != nil {
				t.Fatal(err)
			}
			ts := httptest.NewServer(h)
			var clients sync.WaitGroup
			pool := &http.Transport{}
			for i := range 8 {
				c := &stormClient{ledger: l, t: t, http: &http.Client{Transport: pool}, url: ts.URL, rnd: rand.New(rand.NewPCG(uint64(i), 1))}
				clients.Go(func() { c.run(t.Context(), 100) })
			}
			for l.answered.Load() < 150 {
				runtime.Gosched()
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			err = h.Drain(ctx)
			cancel()
			if patience > 0 && err != nil {
				t.Error(err)
			}
			clients.Wait()
			if err := h.Drain(t.Context()); err != nil { // what the first had no time for
				t.Error(err)
			}
			if n := count(s); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
			pool.CloseIdleConnections()
			ts.Close()
			settled(t, before)
			l.check(t)
		})
	}
}
