package health

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Defaults of a [Check].
const (
	DefaultInterval = 10 * time.Second
	DefaultTimeout  = 2 * time.Second
	DefaultConfirm  = 2
)

// Options configure a [Monitor]. The zero value is ready for use.
type Options struct {
	// Service and Release name the process in bodies with details: "notes",
	// "1.4.2". Empty ones are left out.
	Service, Release string
	// Details decides who is shown what each check says; others get one word.
	// It is called by many requests at once. Nil means nobody is.
	Details func(*http.Request) bool
	// Logger is told when a check changes its state. Nil means no log.
	Logger *slog.Logger
}

// A Check says how something is watched.
type Check struct {
	// Name tells it apart, in one or a few words without a colon: "postgres".
	Name string
	// Checker is asked. [Func] makes one of a function.
	Checker Checker
	// Kind is what is watched, in the words of the health format: "component",
	// "datastore" or "system". Empty means "component".
	Kind string
	// Optional says that the process can work without it: it makes the process
	// degraded, never unhealthy.
	Optional bool
	// Interval is the time from the end of one check to the next, less up to a
	// tenth so that replicas spread. Before the first success, and until a change
	// is confirmed, it is a quarter.
	// Zero means 10 seconds; a negative one is a mistake.
	Interval time.Duration
	// Timeout is how long a check may take. One that has not returned after twice
	// that is hung, and unhealthy at once, until it returns and passes.
	// Zero means 2 seconds; a negative one is a mistake.
	Timeout time.Duration
	// FailAfter and PassAfter are how many results in a row change the state.
	// Neither the very first result nor the first success needs another.
	// Zero means 2; negative ones are a mistake.
	FailAfter, PassAfter int
}

func (c Check) withDefaults() (Check, error) {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	switch {
	case c.Name == "":
		mistake("Name: missing")
	case strings.Contains(c.Name, ":"):
		mistake("Name: has a colon, which parts names from what is measured")
	}
	if c.Checker == nil {
		mistake("Checker: missing")
	}
	if c.Interval < 0 {
		mistake("Interval: %v is negative", c.Interval)
	}
	if c.Timeout < 0 {
		mistake("Timeout: %v is negative", c.Timeout)
	}
	if c.FailAfter < 0 || c.PassAfter < 0 {
		mistake("FailAfter, PassAfter: %d, %d: negative", c.FailAfter, c.PassAfter)
	}
	if len(mistakes) > 0 {
		return c, fmt.Errorf("health: check %q: %w", c.Name, errors.Join(mistakes...))
	}
	setDefault(&c.Kind, "component")
	setDefault(&c.Interval, DefaultInterval)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.FailAfter, DefaultConfirm)
	setDefault(&c.PassAfter, DefaultConfirm)
	return c, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
