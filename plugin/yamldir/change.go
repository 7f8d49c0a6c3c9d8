package yamldir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// retryAfter is how many looks a change waits that was refused, and may do later:
// a tool of that name was there, or a secret was not.
const retryAfter = 15

// A file is one that is there, or was and whose plugin still is.
type file struct {
	name    string
	plugin  string            // that is served; "" is none
	current plugin.Plugin     // the same
	taken   [sha256.Size]byte // what it was made of
	tried   [sha256.Size]byte // what was refused last
	waits   int               // looks until that is tried again
	failure error             // why it is not served as it is
}

// A change is what a file asks for.
type change struct {
	file   *file
	gone   bool          // the file is, and its plugin is to go
	next   plugin.Plugin // nil if it is gone, or has mistakes
	digest [sha256.Size]byte
	err    error
}

// changes returns what has to be changed, of all that has stayed as it is since
// the look before.
func (d *Dir) changes(before, found map[string]reading, now bool) []*change {
	for name := range found {
		if d.files[name] == nil {
			d.files[name] = &file{name: name}
		}
	}
	var list []*change
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		is, there := found[name]
		was, wasThere := before[name]
		switch {
		case there != wasThere || is.digest != was.digest: // not settled
		case !there && f.plugin == "":
			delete(d.files, name)
		case !there:
			list = append(list, &change{file: f, gone: true})
		case f.plugin != "" && is.digest == f.taken: // back to what is served
			f.failure, f.tried = nil, [sha256.Size]byte{}
		default:
			list = append(list, &change{file: f, digest: is.digest})
		}
	}
	fresh := slices.ContainsFunc(list, func(c *change) bool { return c.file.failure == nil || c.digest != c.file.tried })
	list = slices.DeleteFunc(list, func(c *change) bool {
		c.file.waits--
		return !now && !fresh && c.file.waits > 0
	})
	for _, c := range list {
		if !c.gone {
			c.next, c.err = d.build(c.file, found[c.file.name])
		}
	}
	return list
}

// build makes the plugin of a file.
func (d *Dir) build(f *file, r reading) (p plugin.Plugin, err error) {
	defer func() {
		if v := recover(); v != nil { // of a hook in the options, or of a library
			p, err = nil, fmt.Errorf("%s: the description makes the program panic", printable(f.name))
		}
	}()
	if r.err != nil {
		return nil, fmt.Errorf("%s: %w", printable(f.name), r.err)
	}
	spec, err := httptool.Parse(printable(f.name), r.text)
	if err != nil {
		return nil, err
	}
	made, err := httptool.New(spec, &d.options.HTTP)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable(f.name), err)
	}
	if d.options.Setup != nil {
		return d.options.Setup(made), nil
	}
	return made, nil
}

// claim returns an error if the plugin of that name is another file's.
func (d *Dir) claim(f *file, name string) error {
	for _, other := range d.files {
		if other != f && other.plugin == name {
			return fmt.Errorf("%s: the plugin %q is that of %s", printable(f.name), name, printable(other.name))
		}
	}
	return nil
}

// apply makes changes. One may be in the way of another, such as by the name of a
// tool: those that are refused are tried again as long as others come through.
func (d *Dir) apply(ctx context.Context, list []*change) (made, refused int64) {
	d.move(list)
	for progress := true; progress; {
		progress = false
		list = slices.DeleteFunc(list, func(c *change) bool {
			if c.next == nil && !c.gone {
				return false // it could not be made
			}
			if c.err = d.one(ctx, c); c.err != nil {
				return false
			}
			made++
			progress = true
			d.options.Logger.Info("a plugin's file was taken", slog.String("file", printable(c.file.name)), slog.Bool("gone", c.gone))
			c.file.settle(c)
			if c.gone {
				delete(d.files, c.file.name)
			}
			return true
		})
	}
	for _, c := range list {
		if errors.Is(ctx.Err(), context.Canceled) {
			return made, refused // the program ends: nothing was refused
		}
		refused++
		d.refuse(c)
	}
	return made, refused
}

// move hands the plugin of a file that went over to another that has its name
// now: a file was renamed, and its plugin is to be replaced, not to be away.
func (d *Dir) move(list []*change) {
	for _, from := range list {
		if !from.gone {
			continue
		}
		for _, to := range list {
			if to.next != nil && to.file.plugin == "" && to.next.Name() == from.file.plugin {
				to.file.plugin, to.file.current = from.file.plugin, from.file.current
				from.file.plugin, from.file.current = "", nil
			}
		}
	}
}

// one makes a change.
func (d *Dir) one(ctx context.Context, c *change) error {
	old := c.file.plugin
	_, there := d.manager.Status(old)
	there = there && old != ""
	if c.next == nil {
		if !there {
			return nil
		}
		return d.manager.Unregister(ctx, old)
	}
	name := c.next.Name()
	if err := d.claim(c.file, name); err != nil {
		return err
	}
	switch {
	case there && name == old:
		return d.manager.Replace(ctx, c.next)
	case there:
		return d.rename(ctx, c)
	}
	return d.manager.Register(ctx, c.next)
}

// rename registers the plugin of a file that has another name now, and takes the
// old one away. The new one comes first, unless the old one is in its way.
func (d *Dir) rename(ctx context.Context, c *change) error {
	old, current := c.file.plugin, c.file.current
	if err := d.manager.Register(ctx, c.next); err == nil {
		if err := d.manager.Unregister(ctx, old); err != nil {
			return errors.Join(err, d.manager.Unregister(ctx, c.next.Name()))
		}
		return nil
	}
	if err := d.manager.Unregister(ctx, old); err != nil {
		return err
	}
	if err := d.manager.Register(ctx, c.next); err != nil {
		return errors.Join(err, d.manager.Register(ctx, current))
	}
	return nil
}

func (f *file) settle(c *change) {
	f.failure, f.tried, f.waits = nil, [sha256.Size]byte{}, 0
	f.taken = c.digest
	f.plugin, f.current = "", c.next
	if c.next != nil {
		f.plugin = c.next.Name()
	}
}

// refuse remembers why a file is not served as it is, and says it once.
func (d *Dir) refuse(c *change) {
	f := c.file
	again := f.failure != nil && f.failure.Error() == c.err.Error()
	f.failure, f.tried, f.waits = c.err, c.digest, retryAfter
	if again {
		return
	}
	stays := "nothing is served of it"
	if f.plugin != "" {
		stays = "what it last said goes on"
	}
	d.options.Logger.Error("a plugin's file was refused; "+stays, slog.String("file", printable(f.name)), slog.String("error", c.err.Error()))
}
