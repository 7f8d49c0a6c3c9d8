package yamldir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/plugin/yamldir"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A table is the smallest host there can be.
type table struct {
	mu       sync.Mutex
	features map[string]*plugin.Feature
}

func (h *table) Vet(remove, add []*plugin.Feature) error {
	_, err := h.next(remove, add)
	return err
}

func (h *table) Swap(remove, add []*plugin.Feature) error {
	next, err := h.next(remove, add)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.features = next
	return nil
}

func (h *table) next(remove, add []*plugin.Feature) (map[string]*plugin.Feature, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := maps.Clone(h.features)
	if next == nil {
		next = map[string]*plugin.Feature{}
	}
	for _, f := range remove {
		delete(next, f.Name())
	}
	for _, f := range add {
		if next[f.Name()] != nil {
			return nil, fmt.Errorf("%s is there already", f.Name())
		}
		next[f.Name()] = f
	}
	return next, nil
}

// A house is a manager and a directory that it is to follow.
type house struct {
	t       *testing.T
	dir     string
	host    *table
	manager *plugin.Manager
	log     *lines
	options yamldir.Options
	*yamldir.Dir

	mu     sync.Mutex
	events []string
}

// newHouse makes one with those files: names and texts in turn. Its directory is
// looked at when the test says so.
func newHouse(t *testing.T, files ...string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), host: new(table), log: new(lines)}
	h.options = yamldir.Options{Interval: -1, Logger: slog.New(slog.NewTextHandler(h.log, nil))}
	m, err := plugin.NewManager(h.host, plugin.Options{OnEvent: func(_ context.Context, e plugin.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		what := fmt.Sprintf("%s %s %s", e.Change, e.Plugin, e.Version)
		if e.Failed {
			what = "failed " + what
		}
		h.events = append(h.events, what)
	}})
	must(t, err)
	h.manager = m
	t.Cleanup(func() { must(t, m.Close(context.WithoutCancel(t.Context()))) })
	for i := 0; i < len(files); i += 2 {
		h.write(files[i], files[i+1])
	}
	return h
}

func (h *house) open() *house {
	h.t.Helper()
	var err error
	h.Dir, err = yamldir.Open(h.t.Context(), h.dir, h.manager, &h.options)
	must(h.t, err)
	h.t.Cleanup(func() { must(h.t, h.Close()) })
	h.events = nil
	return h
}

// look looks n times.
func (h *house) look(n int) {
	for range n {
		h.Look(h.t.Context())
	}
}

// write replaces a file at once.
func (h *house) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	must(h.t, errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)))
}

func (h *house) remove(name string) {
	h.t.Helper()
	must(h.t, os.Remove(filepath.Join(h.dir, name)))
}

// serves fails the test unless those are the plugins, with version and tools.
func (h *house) serves(want ...string) {
	h.t.Helper()
	got := []string{}
	for _, s := range h.manager.List() {
		got = append(got, fmt.Sprintf("%s %s %s", s.Name, s.Version, strings.Join(s.Tools, ",")))
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("%q are served, want %q", got, want)
	}
}

// happened fails the test unless those were the events since the last time.
func (h *house) happened(want ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.events, want) {
		h.t.Errorf("%q happened, want %q", h.events, want)
	}
	h.events = nil
}

// wrong fails the test unless Check says all of that, or nothing.
func (h *house) wrong(want ...string) {
	h.t.Helper()
	err := h.Check(h.t.Context())
	if (err != nil) != (len(want) > 0) {
		h.t.Errorf("Check says %v", err)
		return
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			h.t.Errorf("%s is missing in what Check says: %v", text, err)
		}
	}
}

// description is a plugin with those tools.
func description(name, version string, tools ...string) string {
	text := fmt.Sprintf("name: %s\nversion: %s\nbase_url: https://api.example.com\ntools:\n", name, version)
	for _, tool := range tools {
		text += fmt.Sprintf("- {name: %s, description: d, url: /x}\n", tool)
	}
	return text
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}
