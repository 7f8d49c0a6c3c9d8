package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/server"
)

const (
	stormPlugins = 50
	stormTools   = 5 // of each plugin
)

// stormTime is short for those who wait, and long where nobody does.
func stormTime() time.Duration {
	if os.Getenv("TRESTLE_CI") != "" {
		return 10 * time.Second
	}
	return time.Second
}

// A stormy plugin answers with its generation, everywhere: in the description of
// each of its tools, before and after it gives way to others, and in its
// middleware. It knows whether it runs.
type stormy struct {
	name       string
	generation int64
	running    atomic.Bool
	wrong      *atomic.Int64
}

func (p *stormy) Name() string                { return p.name }
func (p *stormy) Version() string             { return fmt.Sprintf("1.0.%d", p.generation) }
func (p *stormy) Start(context.Context) error { p.running.Store(true); return nil }
func (p *stormy) Stop(context.Context) error  { p.running.Store(false); return nil }

func (p *stormy) Register(r *plugin.Registrar) error {
	for i := range stormTools {
		t := server.Tool{Name: fmt.Sprintf("%s.%d", p.name, i), Description: strconv.FormatInt(p.generation, 10)}
		err := server.AddTool(r, t, func(ctx context.Context, _ none) (string, error) {
			before := ctx.Value(stormKey{})
			runtime.Gosched()
			if !p.running.Load() || before != p.generation {
				p.wrong.Add(1)
			}
			return strconv.FormatInt(p.generation, 10), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type stormKey struct{}

func (p *stormy) Middleware() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			return next(context.WithValue(ctx, stormKey{}, p.generation), method, req)
		}
	}
}

func TestPlugins_StormOfChangesAndCalls(t *testing.T) {
	srv := quiet(t, server.Options{RateLimits: []ratelimit.Rule{}})
	options := slices.Collect(func(yield func([]mcptest.Option) bool) {
		for _, o := range ways {
			if !yield(o) {
				return
			}
		}
	})
	var clients []*mcptest.Client
	for i := range 16 {
		clients = append(clients, mcptest.New(t, srv, options[i%len(options)]...))
	}

	var generation, wrong, changes, calls, lists, missing atomic.Int64
	ctx, stop := context.WithTimeout(t.Context(), stormTime())
	defer stop()
	// A slow machine goes on until there was a storm at all.
	going := func() bool {
		return ctx.Err() == nil || changes.Load() < 20 || calls.Load()-missing.Load() < 20 || lists.Load() < 20
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for going() {
				p := &stormy{name: fmt.Sprintf("p%d", rand.IntN(stormPlugins)), generation: generation.Add(1), wrong: &wrong}
				var err error
				switch rand.IntN(3) {
				case 0:
					err = srv.Plugins().Register(t.Context(), p)
				case 1:
					err = srv.Plugins().Replace(t.Context(), p)
				case 2:
					err = srv.Plugins().Unregister(t.Context(), p.name)
				}
				switch mcperrors.CodeOf(err) {
				case "":
					changes.Add(1)
				case mcperrors.NotFound, mcperrors.Conflict: // it is there already, or not there
				default:
					t.Error("change:", err)
				}
			}
		})
	}
	for _, c := range clients {
		all.Go(func() {
			for going() {
				if rand.IntN(4) == 0 {
					lists.Add(1)
					storming(t, c)
					continue
				}
				calls.Add(1)
				call := c.Call(fmt.Sprintf("p%d.%d", rand.IntN(stormPlugins), rand.IntN(stormTools)), nil)
				if code := mcperrors.CodeOf(call.Err); code == mcperrors.NotFound {
					missing.Add(1)
				} else if code != "" {
					t.Error("call:", call.Err)
				}
			}
		})
	}
	all.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d calls saw another version, or one that was stopped", wrong.Load())
	}
	t.Logf("%d changes, %d calls, %d of them in vain, %d lists", changes.Load(), calls.Load(), missing.Load(), lists.Load())
	for _, s := range srv.Plugins().List() {
		must(t, srv.Plugins().Unregister(t.Context(), s.Name))
	}
	if s := srv.Plugins().Stats(); s.Panics+s.Hangs+s.Canceled+s.Trips > 0 {
		t.Errorf("%+v", s)
	}
	// Clients keep connections, so only those are counted that plugins have to do
	// with. Watchdogs of calls may still be on their way out.
	for left := goroutines("/plugin."); left > 0; left = goroutines("/plugin.") {
		runtime.Gosched()
	}
}

// goroutines counts those that have code in their stacks.
func goroutines(code string) int {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	count := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, code) {
			count++
		}
	}
	return count
}

// storming looks for half a plugin in a list, or one of two versions.
func storming(t *testing.T, c *mcptest.Client) {
	t.Helper()
	res, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Error("list:", err)
		return
	}
	versions := map[string][]string{}
	for _, tool := range res.Tools {
		name, _, _ := strings.Cut(tool.Name, ".")
		versions[name] = append(versions[name], tool.Description)
	}
	for name, all := range versions {
		if len(all) != stormTools || len(slices.Compact(all)) != 1 {
			t.Errorf("list: %s has %v", name, all)
		}
	}
}

// calm answers always.
func calm() *part { return versioned("calm", "1.0.0") }

// BenchmarkCall_WhileAnotherPluginIsReplaced tells what the replacement of a plugin
// with 200 tools does to the calls of others: compare the p99 of both.
func BenchmarkCall_WhileAnotherPluginIsReplaced(b *testing.B) {
	for _, replacing := range []bool{false, true} {
		b.Run(map[bool]string{false: "quiet", true: "replacing"}[replacing], func(b *testing.B) {
			srv := quiet(b, server.Options{RateLimits: []ratelimit.Rule{}}, many("p", "1.0.0", 200), calm())
			c := mcptest.New(b, srv, mcptest.OverHTTP())
			stop := make(chan struct{})
			var changes sync.WaitGroup
			if replacing {
				changes.Go(func() {
					tick := time.NewTicker(200 * time.Millisecond)
					defer tick.Stop()
					for i := 1; ; i++ {
						select {
						case <-stop:
							return
						case <-tick.C:
						}
						if err := srv.Plugins().Replace(b.Context(), many("p", fmt.Sprintf("1.0.%d", i), 200)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			times := make([]time.Duration, 0, b.N)
			for b.Loop() {
				began := time.Now()
				c.Call("calm", nil).OK()
				times = append(times, time.Since(began))
			}
			close(stop)
			changes.Wait()
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
		})
	}
}
