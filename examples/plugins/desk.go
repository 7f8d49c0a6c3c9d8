package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/trestle-mcp/trestle/adapter/openapi"
	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/plugin/httptool"
	"github.com/trestle-mcp/trestle/plugin/yamldir"
	"github.com/trestle-mcp/trestle/server"
)

//go:embed plugins.d/weather.yaml
var weatherFile []byte

// A desk is the server with all that it works with.
type desk struct {
	server  *server.Server
	service *service
	plugins *yamldir.Dir
	dir     string
	madeDir bool
}

// newDesk starts what c says. Close it in the end.
func newDesk(ctx context.Context, c *config, opts *server.Options, log *slog.Logger) (d *desk, err error) {
	d = &desk{dir: c.dir}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.service, err = startService(c.service); err != nil {
		return nil, err
	}
	if d.dir == "" {
		if err := d.makeDir(); err != nil {
			return nil, err
		}
	}
	library, err := d.library(ctx)
	if err != nil {
		return nil, err
	}
	// Tools of a plugin may have a prefix, so that two cannot be in each other's way.
	d.server, err = server.New("plugins", "1.0.0", opts, greeter{"1.0.0"}, plugin.Setup{Plugin: library, Prefix: "library."})
	if err != nil {
		return nil, err
	}
	d.plugins, err = yamldir.Open(ctx, d.dir, d.server.Plugins(), &yamldir.Options{Interval: c.interval, Logger: log})
	if err != nil {
		return nil, err
	}
	_, err = d.server.Health().Register(health.Check{Name: "plugin files", Checker: d.plugins, Optional: true})
	return d, errors.Join(err, d.addTools())
}

// library makes a plugin of the OpenAPI document of the library: of what reads,
// not of what burns.
func (d *desk) library(ctx context.Context) (*httptool.Plugin, error) {
	document, err := d.service.document(ctx)
	if err != nil {
		return nil, err
	}
	key := func(context.Context) (string, error) { return d.service.key, nil }
	spec, err := openapi.Spec(document, &openapi.Options{
		Tags:      []string{"reading"},
		Names:     map[string]string{"searchBooks": "search", "getBook": "get"},
		BaseURL:   d.service.url + "/library",
		Addresses: []string{"loopback"},
		Secrets:   map[string]*httptool.Secret{"key": {Get: key}},
	})
	if err != nil {
		return nil, err
	}
	return httptool.New(spec, nil)
}

// addTools adds those of the server itself, to play with.
func (d *desk) addTools() error {
	manager := d.server.Plugins()
	return errors.Join(
		server.AddTool(d.server, server.Tool{Name: "upgrade_greeter", Description: "Put the other version of the greeter in the place of this one."},
			func(ctx context.Context, _ struct{}) (string, error) {
				status, _ := manager.Status("greeter")
				next := greeter{status.Version}.next()
				return "greeter " + next.version, manager.Replace(ctx, next)
			}),
		server.AddTool(d.server, server.Tool{Name: "list_plugins", Description: "List the plugins.", ReadOnly: true},
			func(context.Context, struct{}) ([]plugin.Status, error) { return manager.List(), nil }),
	)
}

// makeDir makes a directory with the description that is built in.
func (d *desk) makeDir() (err error) {
	if d.dir, err = os.MkdirTemp("", "plugins-*"); err != nil {
		return err
	}
	d.madeDir = true
	text := bytes.ReplaceAll(weatherFile, []byte("http://127.0.0.1:8099"), []byte(d.service.url))
	return os.WriteFile(filepath.Join(d.dir, "weather.yaml"), text, 0o600)
}

func (d *desk) close() {
	if d.plugins != nil {
		_ = d.plugins.Close()
	}
	if d.service != nil {
		d.service.close()
	}
	if d.madeDir {
		_ = os.RemoveAll(d.dir)
	}
}

func readAll(r io.Reader) ([]byte, error) {
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if len(text) > most {
		return nil, errors.New("the document is too large")
	}
	return text, err
}

// tour is what a reader may try.
func (d *desk) tour() string {
	return strings.ReplaceAll("plugins: DIR\ntry: edit DIR/weather.yaml while a client is connected\n", "DIR", d.dir)
}
