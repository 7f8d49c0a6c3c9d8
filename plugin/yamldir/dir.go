package yamldir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/trestle-mcp/trestle/plugin"
)

// A Dir follows a directory. All methods are safe for concurrent use.
type Dir struct {
	path    string
	manager *plugin.Manager
	options Options
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu     sync.Mutex // held while files are looked at and changes are made
	files  map[string]*file
	last   map[string]reading // of the look before
	failed string             // why the directory could not be read the last time

	shown sync.Mutex // guards what Check and Stats show, which wait for no change
	wrong error
	stats Stats
}

// Open registers the plugins of a directory with m, all or none, and follows its
// changes until [Dir.Close]. All files have to be good; the error has every
// mistake of each. ctx is for the first registration. Nil options mean the zero
// value.
//
// Later on, each file is taken for itself: one that cannot be read, has a mistake
// or is refused by m changes nothing, and what it last said goes on, as long as it
// takes; [Dir.Check] tells. A file is taken once it was the same for an interval,
// as half a description may be one. A plugin that calls are running in is
// replaced by the rules of [plugin.Manager.Replace].
func Open(ctx context.Context, path string, m *plugin.Manager, o *Options) (*Dir, error) {
	d := &Dir{path: path, manager: m, files: map[string]*file{}}
	if o != nil {
		d.options = *o
	}
	if d.options.Interval == 0 {
		d.options.Interval = DefaultInterval
	}
	if d.options.Logger == nil {
		d.options.Logger = slog.New(slog.DiscardHandler)
	}
	if err := d.first(ctx); err != nil {
		return nil, fmt.Errorf("yamldir: %w", err)
	}
	follow, stop := context.WithCancel(context.Background())
	d.stop = stop
	if d.options.Interval > 0 {
		d.done.Go(func() { d.follow(follow) })
	}
	return d, nil
}

// Close ends following. The plugins stay as they are: they are the manager's.
func (d *Dir) Close() error {
	d.stop()
	d.done.Wait()
	return nil
}

// Reload looks at the directory now and takes all files as they are, without
// waiting for a second look. It returns what [Dir.Check] then says.
func (d *Dir) Reload(ctx context.Context) error {
	d.look(ctx, true)
	return d.Check(ctx)
}

// Check returns nil if every file is served as it is, else why not.
func (d *Dir) Check(context.Context) error {
	d.shown.Lock()
	defer d.shown.Unlock()
	return d.wrong
}

// Stats returns the counters.
func (d *Dir) Stats() Stats {
	d.shown.Lock()
	defer d.shown.Unlock()
	return d.stats
}

func (d *Dir) follow(ctx context.Context) {
	ticker := time.NewTicker(d.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			d.look(ctx, false)
		}
	}
}

// first takes all files at once.
func (d *Dir) first(ctx context.Context) error {
	found, err := scan(d.path)
	if err != nil {
		return err
	}
	var plugins []plugin.Plugin
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(found)) {
		f := &file{name: name}
		p, err := d.build(f, found[name])
		if err == nil {
			err = d.claim(f, p.Name())
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f.plugin, f.current, f.taken = p.Name(), p, found[name].digest
		d.files[name] = f
		plugins = append(plugins, p)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(plugins) > 0 {
		if err := d.manager.Register(ctx, plugins...); err != nil {
			return err
		}
	}
	d.last = found
	d.show(int64(len(plugins)), 0)
	return nil
}

// look finds what has changed, and changes it.
func (d *Dir) look(ctx context.Context, now bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, err := scan(d.path)
	if err != nil {
		if why := err.Error(); why != d.failed {
			d.failed = why
			d.options.Logger.Error("the directory of plugins cannot be read; they stay as they are", slog.String("path", d.path), slog.String("error", why))
		}
		d.show(0, 0)
		return
	}
	d.failed = ""
	before := d.last
	d.last = found
	if now {
		before = found
	}
	made, refused := d.apply(ctx, d.changes(before, found, now))
	d.show(made, refused)
}

// show brings what Check and Stats say up to date.
func (d *Dir) show(made, refused int64) {
	var errs []error
	if d.failed != "" {
		errs = append(errs, errors.New(d.failed))
	}
	served := 0
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		if f.plugin != "" {
			served++
		}
		if f.failure != nil {
			errs = append(errs, f.failure)
		}
	}
	d.shown.Lock()
	defer d.shown.Unlock()
	d.stats.Looks++
	d.stats.Changes += made
	d.stats.Failures += refused
	d.stats.Files, d.stats.Failing = served, len(errs)
	d.wrong = errors.Join(errs...)
}
