// Package pool keeps what is dear to make and must not be made without bound:
// connections, sessions, clients of an upstream.
//
// A [Pool] lends out interchangeable resources, one holder at a time. A [Keyed]
// keeps one client or pool for each caller or upstream, shared by all who ask
// for the same key.
//
// Every wait in here has an end. Callers wait in the order they came, and
// beyond a bound they are refused at once. A backend that is down is asked by
// one caller at a time, ever more rarely; a callback that hangs is given up after its
// time. Close wakes those who wait, waits for those who hold, and then says how
// many it could not wait for.
//
// Failures are coded, see package errors: exhausted where the pool is at its
// limit, with an [ExhaustedError] as cause; unavailable where nothing can be
// made, or the pool is closed. All types of this package are safe for
// concurrent use.
//
// A Pool is built on github.com/jackc/puddle, which has the queue of callers
// and the stack of idle resources.
package pool
