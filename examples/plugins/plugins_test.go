package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testDesk(t *testing.T) *desk {
	t.Helper()
	c := &config{service: "127.0.0.1:0", interval: time.Millisecond}
	d, err := newDesk(t.Context(), c, &server.Options{Logger: zap.NewNop(), InfoResource: true}, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() {
		d.close()
		ctx := context.WithoutCancel(t.Context())
		must(t, errors.Join(d.server.Plugins().Close(ctx), d.server.Health().Close(ctx)))
	})
	return d
}

func TestPlugins_AnswerOverEachTransportInEachEra(t *testing.T) {
	mcptest.Matrix(t, testDesk(t).server, func(t *testing.T, c *mcptest.Client) {
		if got := c.Call("greet", someone{"Ann"}).OK().Text(); got != "Hello Ann" {
			t.Error(got)
		}
		var weather struct {
			City string
			Days []day
		}
		c.Call("forecast", map[string]any{"city": "São Paulo/Centro"}).OK().Decode(&weather)
		if weather.City != "São Paulo/Centro" || len(weather.Days) != 3 {
			t.Errorf("%+v", weather)
		}
		c.Call("forecast", map[string]any{"city": "Paris", "days": 9}).Fails(mcperrors.Validation)
		c.Call("forecast", map[string]any{"city": ".."}).Fails(mcperrors.Validation)
		if got := c.Call("forecast", map[string]any{"city": "Atlantis"}).Fails(mcperrors.NotFound); got.Result == nil || !strings.Contains(got.Text(), "there is no such city") {
			t.Errorf("the model does not see it: %v", got.Err)
		}
		var thanks struct{ Thanks string }
		c.Call("report_weather", map[string]any{"city": "Paris", "sky": "rain"}).OK().Decode(&thanks)
		if thanks.Thanks != "Paris: rain" {
			t.Errorf("%+v", thanks)
		}
		var found struct{ Books []book }
		c.Call("library.search", map[string]any{"q": "finn"}).OK().Decode(&found)
		if len(found.Books) != 1 || found.Books[0].ID != "2" {
			t.Errorf("%+v", found)
		}
		var b book
		c.Call("library.get", map[string]any{"id": "1"}).OK().Decode(&b)
		if b.Sequel == nil || b.Sequel.Title != "Huckleberry Finn" {
			t.Errorf("%+v", b)
		}
		c.Call("library.burnBook", map[string]any{"id": "1"}).Fails(mcperrors.NotFound)
	})
}

// ways are how clients reach the server.
var ways = map[string][]mcptest.Option{
	"modern over HTTP": {mcptest.OverHTTP()}, "legacy over HTTP": {mcptest.OverHTTP(), mcptest.Legacy()},
	"modern over stdio": {mcptest.OverStdio()}, "legacy over stdio": {mcptest.OverStdio(), mcptest.Legacy()},
}

func TestPlugins_AreUpgradedWhileClientsAreConnected(t *testing.T) {
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			d := testDesk(t)
			changed := make(chan struct{}, 100)
			telling := mcptest.WithClient(&mcp.ClientOptions{ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} }})
			c := mcptest.New(t, d.server, append(slices.Clone(options), telling)...)
			told := func(what string) {
				t.Helper()
				select {
				case <-changed:
				case <-t.Context().Done():
					t.Fatal("the client was not told of", what)
				}
			}
			names := func() string {
				tools, err := c.ListTools(t.Context(), nil)
				must(t, err)
				var list []string
				for _, tool := range tools.Tools {
					list = append(list, tool.Name)
				}
				return strings.Join(list, " ")
			}
			if got := names(); got != "forecast greet library.get library.search list_plugins report_weather upgrade_greeter" {
				t.Fatal(got)
			}

			c.Call("upgrade_greeter", nil).OK()
			told("the greeter's upgrade")
			if got := c.Call("greet", someone{"Ann"}).OK().Text(); got != "Good day, Ann!" || !strings.Contains(names(), "say_goodbye") {
				t.Errorf("%s; %s", got, names())
			}

			file := filepath.Join(d.dir, "weather.yaml")
			text, err := os.ReadFile(file)
			must(t, err)
			next := bytes.Replace(text, []byte("version: 1.0.0"), []byte("version: 1.1.0"), 1)
			next = bytes.Replace(next, []byte("name: report_weather"), []byte("name: tell_weather"), 1)
			must(t, errors.Join(os.WriteFile(file+".new", next, 0o600), os.Rename(file+".new", file)))
			told("the file's change")
			if got := names(); strings.Contains(got, "report_weather") || !strings.Contains(got, "tell_weather") {
				t.Error(got)
			}
			c.Call("report_weather", map[string]any{"city": "Paris", "sky": "rain"}).Fails(mcperrors.NotFound)
			c.Call("tell_weather", map[string]any{"city": "Paris", "sky": "rain"}).OK()

			must(t, os.Remove(file))
			told("the file's end")
			c.Call("forecast", map[string]any{"city": "Paris"}).Fails(mcperrors.NotFound)
			if got := names(); got != "greet library.get library.search list_plugins say_goodbye upgrade_greeter" {
				t.Error(got)
			}
		})
	}
}

func TestFolder_OfTheExampleIsGood(t *testing.T) {
	c := &config{service: "127.0.0.1:0", dir: "plugins.d"}
	d, err := newDesk(t.Context(), c, &server.Options{Logger: zap.NewNop()}, slog.New(slog.DiscardHandler))
	must(t, err)
	d.close()
	must(t, d.server.Plugins().Close(t.Context()))
}

func TestRun_ServesUntilItIsTold(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, &config{addr: "127.0.0.1:0", service: "127.0.0.1:0"}, in, io.Discard)
		_ = in.Close()
	}()
	first := make([]byte, 256)
	n, err := out.Read(first)
	must(t, err)
	line, _, _ := strings.Cut(string(first[:n]), "\n")
	url, ok := strings.CutPrefix(line, "ready: ")
	if !ok {
		t.Fatal(line)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, res.Body.Close())
	stop()
	must(t, <-done)
}
