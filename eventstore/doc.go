// Package eventstore keeps what happened as events in streams, and derives
// state from them.
package eventstore
