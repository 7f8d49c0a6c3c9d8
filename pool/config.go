package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Config says what a [Pool] keeps, and its bounds.
//
// A callback may panic or hang without harm to others: a panic counts as
// an error, and one that outlasts its timeout is given up; its resource is
// destroyed when it returns. Reset alone runs on the goroutine that releases,
// and has to be quick.
type Config[T any] struct {
	// Name tells pools apart in reports and causes of errors. It is not sent
	// to callers of the server.
	Name string

	// Create makes a resource. It is required. Its context ends at
	// CreateTimeout and when the pool is closed, and not with the caller that
	// first needed the resource, whose values it may carry: another caller may
	// get it. A coded error of Create is returned as it is, any other as unavailable.
	Create func(ctx context.Context) (T, error)
	// Destroy ends a resource. It is called once for each that Create made.
	// Nil means that there is nothing to do.
	Destroy func(ctx context.Context, v T) error
	// Validate tells whether a resource still works, before it is lent after
	// having been idle for ValidateAfter. Nil means that it does.
	Validate func(ctx context.Context, v T) error
	// Reset cleans a resource when it comes back; if it fails, the resource is
	// destroyed. Nil means that there is nothing to clean.
	Reset func(v T) error

	// MaxSize is how many resources there may be. Zero means 10.
	MaxSize int
	// MinIdle is how many idle resources are kept ready, within MaxSize. Zero
	// means none: a resource is made when it is needed.
	MinIdle int
	// MaxWaiters is how many callers more than MaxSize may be in Acquire or
	// hold a resource. Those beyond are refused at once. Zero means 8 times
	// MaxSize; negative means no limit.
	MaxWaiters int

	// MaxLifetime is the age at which a resource is not lent any more. Each
	// gets up to a tenth less, by chance, so that those made together do not
	// end together. Zero means 1 hour; negative means no limit.
	MaxLifetime time.Duration
	// IdleTimeout is how long a resource beyond MinIdle is kept unused. It is
	// looked after four times in this time, or every 30 seconds. Zero means 5
	// minutes; negative means no limit.
	IdleTimeout time.Duration
	// ValidateAfter is how long a resource must have been idle to be validated
	// before it is lent. Zero means 500 ms; negative means always.
	ValidateAfter time.Duration

	// CreateTimeout bounds Create. Zero means 10 seconds.
	CreateTimeout time.Duration
	// ValidateTimeout bounds Validate. Zero means 2 seconds.
	ValidateTimeout time.Duration
	// DestroyTimeout bounds how long a resource in Destroy counts for MaxSize.
	// Zero means 5 seconds.
	DestroyTimeout time.Duration
	// MaxBackoff bounds the time in which nothing is made after Create
	// failed. It starts with up to 100 ms and doubles with each failure. Zero means
	// 10 seconds; negative means that there is no such time.
	MaxBackoff time.Duration

	// LeakAfter is how long a resource may be held before Report is told, once,
	// with a [LeakError]. Nothing is taken away. Zero means 5 minutes;
	// negative means that nobody looks.
	LeakAfter time.Duration
	// LeakStacks records the stack of each Acquire for LeakError, which takes
	// about a microsecond. Without it stacks are recorded from the first leak on.
	LeakStacks bool

	// Report hears what no caller is told: a [LeakError], an error or panic of
	// Destroy or Reset, a failure to create in the background. It is called on any
	// goroutine and must not block. Nil means that nobody listens.
	Report func(err error)
}

const (
	defaultSize   = 10
	waitersPer    = 8
	maxSize       = math.MaxInt32
	attempts      = 3 // invalid resources one caller meets before it is refused
	firstBackoff  = 100 * time.Millisecond
	minPeriod     = 10 * time.Millisecond
	maxPeriod     = 30 * time.Second
	lifetimeParts = 10 // of the lifetime, one is left to chance
)

// withDefaults returns c with its zero values replaced, or all its mistakes.
func (c Config[T]) withDefaults() (Config[T], error) {
	var errs []error
	mistake := func(format string, args ...any) { errs = append(errs, fmt.Errorf("pool: "+format, args...)) }
	if c.Create == nil {
		mistake("Create is nil")
	}
	if c.MaxSize == 0 {
		c.MaxSize = defaultSize
	}
	if c.MaxSize < 0 || c.MaxSize > maxSize {
		mistake("MaxSize is %d, which is not in 1…%d", c.MaxSize, maxSize)
	}
	if c.MinIdle < 0 || c.MinIdle > c.MaxSize {
		mistake("MinIdle is %d, which is not in 0…%d", c.MinIdle, c.MaxSize)
	}
	if c.MaxWaiters == 0 {
		c.MaxWaiters = waitersPer * c.MaxSize
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"CreateTimeout", c.CreateTimeout}, {"ValidateTimeout", c.ValidateTimeout}, {"DestroyTimeout", c.DestroyTimeout}} {
		if d.value < 0 {
			mistake("%s is %v, and has to be a bound", d.name, d.value)
		}
	}
	for _, d := range []struct {
		value *time.Duration
		zero  time.Duration
	}{
		{&c.MaxLifetime, time.Hour},
		{&c.IdleTimeout, 5 * time.Minute},
		{&c.ValidateAfter, 500 * time.Millisecond},
		{&c.CreateTimeout, 10 * time.Second},
		{&c.ValidateTimeout, 2 * time.Second},
		{&c.DestroyTimeout, 5 * time.Second},
		{&c.MaxBackoff, 10 * time.Second},
		{&c.LeakAfter, 5 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	return c, errors.Join(errs...)
}

// period is how often the pool looks after its resources, or zero for never.
func (c *Config[T]) period() time.Duration {
	var shortest time.Duration
	for _, d := range []time.Duration{c.MaxLifetime, c.IdleTimeout, c.LeakAfter} {
		if d > 0 && (shortest == 0 || d < shortest) {
			shortest = d
		}
	}
	if shortest == 0 {
		return 0
	}
	return min(max(shortest/4, minPeriod), maxPeriod)
}
