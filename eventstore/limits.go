package eventstore

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits bound what an append may bring. In each, zero means the default and
// negative means no limit.
type Limits struct {
	// Name is the longest name of a stream, type, ID or subject, in bytes.
	// Zero means 256.
	Name int
	// Data is the largest payload, in bytes. Zero means 1 MiB.
	Data int
	// Metadata is the largest metadata, in bytes of names and values.
	// Zero means 16 KiB.
	Metadata int
	// Events is the largest number of events in one append. Zero means 10,000.
	Events int
	// Batch is the largest sum of payloads and metadata in one append, in bytes.
	// Zero means 16 MiB.
	Batch int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		value *int
		zero  int
	}{
		{&l.Name, 256},
		{&l.Data, 1 << 20},
		{&l.Metadata, 16 << 10},
		{&l.Events, 10_000},
		{&l.Batch, 16 << 20},
	} {
		if *f.value == 0 {
			*f.value = f.zero
		}
	}
	return l
}

func over(n, limit int) bool { return limit >= 0 && n > limit }

// check returns what is wrong with an append, or nil.
func (l Limits) check(stream string, events []Event) error {
	if err := l.name("stream", stream); err != nil {
		return err
	}
	if len(events) == 0 {
		return invalid("an append needs an event")
	}
	if over(len(events), l.Events) {
		return invalid("%d events in one append, the limit is %d", len(events), l.Events)
	}
	seen := make(map[string]struct{}, len(events))
	sum := 0
	for i := range events {
		if err := l.event(&events[i]); err != nil {
			return err
		}
		id := events[i].ID
		if _, twice := seen[id]; twice {
			return invalid("the ID %q twice in one append", id)
		}
		seen[id] = struct{}{}
		if sum += len(events[i].Data) + events[i].Metadata.size(); over(sum, l.Batch) {
			return invalid("more than %d bytes in one append", l.Batch)
		}
	}
	return nil
}

func (l Limits) event(e *Event) error {
	if err := l.name("event ID", e.ID); err != nil {
		return err
	}
	if err := l.name("event type", e.Type); err != nil {
		return err
	}
	if e.Metadata.Subject != "" {
		if err := l.name("subject", e.Metadata.Subject); err != nil {
			return err
		}
	}
	switch n := e.Metadata.size(); {
	case e.Schema < 1 || e.Schema > 1<<31-1:
		return invalid("schema version %d of event type %q", e.Schema, e.Type)
	case over(len(e.Data), l.Data):
		return invalid("a payload of %d bytes, the limit is %d", len(e.Data), l.Data)
	case over(n, l.Metadata):
		return invalid("metadata of %d bytes, the limit is %d", n, l.Metadata)
	case !e.Metadata.valid():
		return invalid("metadata that is not UTF-8 text without NUL")
	case !validTime(e.Time):
		return invalid("a time in year %d", e.Time.Year())
	}
	return nil
}

// name checks a name: text that a log line, a database and a file name can hold.
func (l Limits) name(what, s string) error {
	switch {
	case s == "":
		return invalid("an empty %s", what)
	case over(len(s), l.Name):
		return invalid("a %s of %d bytes, the limit is %d", what, len(s), l.Name)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return invalid("a %s with control characters or not in UTF-8", what)
	}
	return nil
}

func (m Metadata) size() int {
	n := len(m.Correlation) + len(m.Causation) + len(m.Subject) + len(m.Sealed)
	for k, v := range m.Extra {
		n += len(k) + len(v)
	}
	return n
}

// valid reports whether every text can be kept by JSON and by a database.
func (m Metadata) valid() bool {
	for k, v := range m.Extra {
		if !validText(k) || !validText(v) {
			return false
		}
	}
	return validText(m.Correlation) && validText(m.Causation)
}

func validText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func validTime(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }
