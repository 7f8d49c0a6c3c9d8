package mcptest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestNew_TellsWhatATestLeavesBehind(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	leaky := newServer(t)
	err := server.AddTool(leaky, server.Tool{Name: "leak", Description: "Start something."},
		func(context.Context, struct{}) (string, error) {
			go forgotten(end)
			return "", nil
		})
	if err != nil {
		t.Fatal(err)
	}
	use := func(opts ...mcptest.Option) string {
		return failed(t, func(tb testing.TB) {
			mcptest.New(tb, leaky, append(opts, mcptest.Patience(time.Second))...).Call("leak", nil)
		})
	}
	for _, over := range []mcptest.Option{mcptest.OverHTTP(), mcptest.OverStdio()} {
		if got := use(over); !strings.Contains(got, "forgotten") {
			t.Errorf("a goroutine: %q", got)
		}
		if got := use(over, mcptest.LeaksAllowed()); got != "" {
			t.Errorf("an allowed goroutine: %q", got)
		}
	}

	leases := 1
	if got := failed(t, func(tb testing.TB) {
		mcptest.New(tb, newServer(t), mcptest.Patience(time.Second), mcptest.NoneLeft("pool leases", func() int { return leases }))
	}); !strings.Contains(got, "pool leases") {
		t.Errorf("a lease: %q", got)
	}
	leases = 0
	mcptest.New(t, newServer(t), mcptest.NoneLeft("pool leases", func() int { return leases }))
}

func forgotten(end <-chan struct{}) { <-end }
