package eventstore

import "fmt"

// An Upcast turns an event into its next form: one with a higher schema version,
// or of another type. It is pure: the same event gives the same result, and its
// Data and Metadata.Extra are not written to but replaced. What it does to ID,
// Stream, Version, Position and Time is ignored.
type Upcast func(Event) (Event, error)

// Upcasters bring events that were stored in an older form to that of today, by
// type and schema version, one step after the other until no step is known.
// Events of unknown types and versions pass as they are. The zero value is
// empty. Add all steps before first use; after that it is safe for concurrent use.
type Upcasters struct {
	steps map[form]Upcast
}

type form struct {
	typ    string
	schema int
}

// Add registers the step that begins at a type and schema version. A second one
// for the same form is an error, and so is a version below 1.
func (u *Upcasters) Add(typ string, schema int, step Upcast) error {
	at := form{typ, schema}
	if _, ok := u.steps[at]; ok || schema < 1 || step == nil {
		return invalid("an upcaster of %q version %d that is there already, or is none", typ, schema)
	}
	if u.steps == nil {
		u.steps = make(map[form]Upcast)
	}
	u.steps[at] = step
	return nil
}

// upcast takes all steps. More of them than are known would be a circle.
func (u *Upcasters) upcast(e Event) (Event, error) {
	if u == nil || e.Erased || e.Metadata.Sealed != "" {
		return e, nil
	}
	for range len(u.steps) + 1 {
		step, ok := u.steps[form{e.Type, e.Schema}]
		if !ok {
			return e, nil
		}
		next, err := step(e)
		if err != nil {
			return Event{}, fmt.Errorf("eventstore: upcast event %q of type %q version %d: %w", e.ID, e.Type, e.Schema, err)
		}
		next.ID, next.Stream, next.Version, next.Position = e.ID, e.Stream, e.Version, e.Position
		next.Time, next.Erased = e.Time, e.Erased
		e = next
	}
	return Event{}, fmt.Errorf("eventstore: upcast event %q: the steps of type %q go in a circle", e.ID, e.Type)
}
