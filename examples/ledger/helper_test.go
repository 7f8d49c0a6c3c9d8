package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openFile opens an SQLite file that is closed after the test.
func openFile(t *testing.T, path string) *sqlite.Backend {
	t.Helper()
	b, err := sqlite.Open(t.Context(), path, nil)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

// newTestLedger returns a ledger over a file of its own, whose balances run.
func newTestLedger(t *testing.T) *ledger {
	t.Helper()
	return ledgerOver(t, openFile(t, filepath.Join(t.TempDir(), "ledger.db")))
}

func ledgerOver(t *testing.T, b eventstore.Backend) *ledger {
	t.Helper()
	l, err := newLedger(b)
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.balances.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); l.close() })
	return l
}

func (l *ledger) newServer(t *testing.T) *server.Server {
	t.Helper()
	srv, err := server.New("ledger", "1", &server.Options{Logger: zap.NewNop()})
	must(t, err)
	l.addTools(srv)
	return srv
}

func (l *ledger) mustOpen(t *testing.T, owner string) string {
	t.Helper()
	out, err := l.open(t.Context(), openIn{owner})
	must(t, err)
	return out.Account
}

func in(account string, amount int64, id string) moneyIn {
	return moneyIn{account, request{amount, id}}
}

func move(from, to string, amount int64, id string) transferIn {
	return transferIn{from, to, request{amount, id}}
}

// sheetOf reads the balances.
func (l *ledger) sheetOf(t *testing.T, after string) sheet {
	t.Helper()
	text, err := l.sheet(t.Context(), sheetIn{after})
	must(t, err)
	var s sheet
	must(t, decode(text, &s))
	return s
}

func readSheet(t *testing.T, c *mcptest.Client) sheet {
	t.Helper()
	res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: balancesURI})
	must(t, err)
	var s sheet
	must(t, decode(res.Contents[0].Text, &s))
	return s
}

// A client calls tools of a process, each in a request of its own.
type client struct{ url string }

// call returns the structured answer of a tool, or why there is none.
func (c client) call(ctx context.Context, tool string, args, into any) error {
	arguments, err := json.Marshal(args)
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":`+
		`{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, tool, arguments)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		return err
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool,
	} {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		Error  *struct{ Message string }
		Result struct {
			IsError           bool
			Content           []struct{ Text string }
			StructuredContent json.RawMessage
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	switch {
	case answer.Error != nil:
		return refusedError(answer.Error.Message)
	case answer.Result.IsError:
		return refusedError(answer.Result.Content[0].Text)
	}
	return json.Unmarshal(answer.Result.StructuredContent, into)
}

// A refusedError is an answer of the server: it did not do it.
type refusedError string

func (e refusedError) Error() string { return string(e) }

// eventually polls until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !so() {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

// decode unmarshals JSON.
func decode(text string, into any) error { return json.Unmarshal([]byte(text), into) }

func withCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
