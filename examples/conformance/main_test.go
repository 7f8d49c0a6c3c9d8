package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestChaos_PanicIsAnInternalErrorAndTheServerLivesOn(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		leaksNothing(t, c.Call("chaos_panic", nil).Fails(mcperrors.Internal))
		c.Call("test_simple_text", nil).OK()
	})
}

func TestChaos_UnknownErrorsAreRedacted(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		leaksNothing(t, c.Call("chaos_error", nil).Fails(mcperrors.Internal))
	})
}

func TestChaos_HangingHandlerIsAnsweredAtTheDeadline(t *testing.T) {
	srv := chaosServer(t, &server.Options{Timeout: 250 * time.Millisecond})
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		c.Call("chaos_hang", map[string]any{"ms": 2000}).Fails(mcperrors.Timeout)
		c.Call("test_simple_text", nil).OK()
	})
}

func TestChaos_IntegersAreExact(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		for _, n := range []int64{9007199254740993, math.MaxInt64, math.MinInt64} {
			want := strconv.FormatInt(n, 10)
			if got := c.Call("chaos_int", map[string]any{"n": n}).OK().Text(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		c.Call("chaos_int", json.RawMessage(`{"n":9223372036854775808}`)).Fails(mcperrors.Validation)
	})
}

func TestChaos_BigAnswersArriveWhole(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		const size = 3 << 20
		if got := len(c.Call("chaos_big", map[string]any{"bytes": size}).OK().Text()); got != size {
			t.Errorf("got %d bytes, want %d", got, size)
		}
		c.Call("chaos_big", map[string]any{"bytes": 65 << 20}).Fails(mcperrors.Validation)
	})
}

func TestChaos_CancelledWaitsAreCounted(t *testing.T) {
	waiting := make(chan struct{}, 1)
	client := &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			if r.Params.ProgressToken == "waiting" {
				waiting <- struct{}{}
			}
		},
	}
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		c.Call("chaos_wait", map[string]any{"ms": 1}).OK()
		before := cancelledWaits(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-waiting
			cancel()
		}()
		params := &mcp.CallToolParams{Name: "chaos_wait", Arguments: map[string]any{"ms": 60_000}}
		params.SetProgressToken("waiting")
		if _, err := c.CallTool(ctx, params); !errors.Is(err, context.Canceled) {
			t.Fatalf("the call ended with %v", err)
		}
		deadline := time.After(10 * time.Second)
		for cancelledWaits(t, c) != before+1 { // the news travels on its own
			select {
			case <-deadline:
				t.Fatalf("%d cancelled waits, want %d", cancelledWaits(t, c), before+1)
			case <-time.After(time.Millisecond):
			}
		}
	}, mcptest.WithClient(client))
}

func TestUnknownTool_IsNotFound(t *testing.T) {
	mcptest.Matrix(t, chaosServer(t, nil), func(t *testing.T, c *mcptest.Client) {
		c.Call("no_such_tool", nil).Fails(mcperrors.NotFound)
	})
}

func TestRun_SaysWhereAndStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, &server.Options{Addr: "127.0.0.1:0"}, false, in) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready: ")
	if !ok {
		t.Fatalf("printed %q", line)
	}
	resp, err := http.Get(url + "/none")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func chaosServer(t *testing.T, opts *server.Options) *server.Server {
	t.Helper()
	srv, err := newServer(opts, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Handler(); err != nil { // mistakes in registering
		t.Fatal(err)
	}
	return srv
}

// leaksNothing looks at everything a client gets to see of a failed call.
func leaksNothing(t *testing.T, c *mcptest.Call) {
	t.Helper()
	seen := c.Err.Error() + c.Text()
	seen += string(wireData(t, c))
	if c.Result != nil {
		raw, err := json.Marshal(c.Result)
		if err != nil {
			t.Fatal(err)
		}
		seen += string(raw)
	}
	for _, secret := range []string{canary, "password", "chaos_panic", "goroutine", ".go:"} {
		if strings.Contains(seen, secret) {
			t.Errorf("%q reached the client: %s", secret, seen)
		}
	}
}

// wireData returns the data of the protocol error that a call failed with.
func wireData(t *testing.T, c *mcptest.Call) json.RawMessage {
	t.Helper()
	wire, ok := errors.AsType[*jsonrpc.Error](c.Err)
	if !ok {
		t.Fatalf("not a protocol error: %v", c.Err)
	}
	return wire.Data
}

func cancelledWaits(t *testing.T, c *mcptest.Client) int {
	t.Helper()
	n, err := strconv.Atoi(read(t, c, "chaos://cancelled").Text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func read(t *testing.T, c *mcptest.Client, uri string) *mcp.ResourceContents {
	t.Helper()
	res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Contents) != 1 {
		t.Fatalf("%s has %d contents", uri, len(res.Contents))
	}
	return res.Contents[0]
}
