package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// A View is what a [Projection] made of the events: values under text keys. What
// was set can be read back at once, and is stored together with the position up
// to which events are in it. It is valid in the function that it was given to,
// and not safe for concurrent use.
type View struct {
	tx       ViewTx
	name     string
	version  int
	position Position
	writable bool
	values   map[string]viewValue
	dirty    int
	failed   error // of the backend, so that Apply is not blamed for it
}

type viewValue struct {
	value []byte // nil means that there is none
	dirty bool
}

// maxViewKey is the longest key, in bytes: an index of PostgreSQL takes no more
// than 2,700 with all that is before it.
const maxViewKey = 1024

func newView(tx ViewTx, name string, version int, position Position, writable bool) *View {
	return &View{tx: tx, name: name, version: version, position: position, writable: writable, values: make(map[string]viewValue)}
}

// Version returns the version of the projection, to tell apart what is kept
// elsewhere for each version, such as tables.
func (v *View) Version() int { return v.version }

// Position returns up to where events are in the view. In a [Projection.Apply] that
// is the position before the event, or, for one that was parked, of the runner.
func (v *View) Position() Position { return v.position }

// Get unmarshals the JSON value of a key into a variable. It returns false where
// there is none.
func (v *View) Get(ctx context.Context, key string, into any) (bool, error) {
	found, ok := v.values[key]
	if !ok {
		if err := checkViewKey(key); err != nil {
			return false, err
		}
		value, there, err := v.tx.Get(ctx, v.space(), key)
		if err != nil {
			return false, v.fail(err)
		}
		if !there {
			value = nil
		}
		found = viewValue{value: value}
		if v.writable { // a reader asks once
			v.values[key] = found
		}
	}
	if found.value == nil {
		return false, nil
	}
	if err := json.Unmarshal(found.value, into); err != nil {
		return false, fmt.Errorf("eventstore: value of view %q under %q: %w", v.name, key, err)
	}
	return true, nil
}

// Set stores a value as JSON. Keys are UTF-8 text without NUL of 1 to 1024 bytes.
func (v *View) Set(key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("eventstore: value for view %q under %q: %w", v.name, key, err)
	}
	if !utf8.Valid(text) { // raw JSON is taken as it is, and not every backend takes that
		return invalid("a value that is not UTF-8 for view %q under %q", v.name, key)
	}
	return v.put(key, text)
}

// Delete takes out a key. One that is not there is no error.
func (v *View) Delete(key string) error { return v.put(key, nil) }

func (v *View) put(key string, value []byte) error {
	if !v.writable {
		return invalid("a view is written by its projection only")
	}
	if err := checkViewKey(key); err != nil {
		return err
	}
	if !v.values[key].dirty {
		v.dirty++
	}
	v.values[key] = viewValue{value: value, dirty: true}
	return nil
}

// All iterates over the entries whose keys begin with the prefix, in the order
// of their bytes. An error is yielded once, as the last thing.
func (v *View) All(ctx context.Context, prefix string) iter.Seq2[ViewEntry, error] {
	return v.AllAfter(ctx, prefix, "")
}

// AllAfter is like All, and begins behind a key, which need not be there: the
// last one of a page, to read the next.
func (v *View) AllAfter(ctx context.Context, prefix, after string) iter.Seq2[ViewEntry, error] {
	return func(yield func(ViewEntry, error) bool) {
		if !validText(prefix) || !validText(after) {
			yield(ViewEntry{}, invalid("a prefix or a key that is not UTF-8 text without NUL"))
			return
		}
		const page = 256
		for after := after; ; {
			if err := v.flush(ctx); err != nil {
				yield(ViewEntry{}, err)
				return
			}
			entries, err := v.tx.Scan(ctx, v.space(), prefix, after, page)
			if err != nil {
				yield(ViewEntry{}, v.fail(err))
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
			if len(entries) < page {
				return
			}
			after = entries[page-1].Key
		}
	}
}

// Decode unmarshals the value of the entry.
func (e ViewEntry) Decode(into any) error {
	if err := json.Unmarshal(e.Value, into); err != nil {
		return fmt.Errorf("eventstore: value of a view under %q: %w", e.Key, err)
	}
	return nil
}

// flush puts what was set into the transaction.
func (v *View) flush(ctx context.Context) error {
	if v.dirty == 0 {
		return nil
	}
	entries := make([]ViewEntry, 0, v.dirty)
	for _, key := range slices.Sorted(maps.Keys(v.values)) {
		if found := v.values[key]; found.dirty {
			entries = append(entries, ViewEntry{key, found.value})
			v.values[key] = viewValue{value: found.value}
		}
	}
	v.dirty = 0
	return v.fail(v.tx.Put(ctx, v.space(), entries))
}

func (v *View) fail(err error) error {
	if err != nil && v.failed == nil {
		v.failed = err
	}
	return err
}

func (v *View) space() string { return versionSpace(v.name, v.version, "view") }

func checkViewKey(key string) error {
	if key == "" || len(key) > maxViewKey || !validText(key) {
		return invalid("a key of a view that is not UTF-8 text without NUL of 1 to %d bytes", maxViewKey)
	}
	return nil
}

// View runs read with the current version of a projection's view, all of it as
// of one moment. The error is [ErrNoView] until a version has caught up with the
// store once. Read may run more than once. Set and Delete fail in it.
func (s *Store) View(ctx context.Context, name string, read func(ctx context.Context, v *View) error) error {
	views, ok := s.backend.(Views)
	if !ok {
		return errNoViews
	}
	return views.ReadViews(ctx, func(ctx context.Context, tx ViewTx) error {
		version, err := loadCurrent(ctx, tx, name)
		if err != nil {
			return err
		}
		if version == 0 {
			return ErrNoView
		}
		state, _, err := loadState(ctx, tx, name, version)
		if err != nil {
			return err
		}
		return read(ctx, newView(tx, name, version, state.Position, false))
	})
}

// versionSpace names a space of one version of a projection.
func versionSpace(name string, version int, kind string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d/%s", name, version, kind)
	return b.String()
}
