// Package middleware has the layers that every production server wants around
// its handlers, each as a [mcp.Middleware] that also runs on a bare go-sdk
// server.
//
// Assemble them once, outermost first, in this order:
//
//	Recover      a panic of any layer is an error, never a dead process
//	RequestID    everything below can name the call
//	Log          sees every outcome, refused calls too: one record a call
//	Errors       any error, and a handler's panic, becomes what the caller may
//	             see; the cause stays with Log, which therefore is outside
//	             (audit, authorization and rate limits, which package ratelimit
//	             has, have their place here)
//	LimitResult  an answer has a bound, whoever of those below it makes it
//	StripHidden  and no characters that nobody sees, where that is wanted
//	             (what answers in a handler's place belongs here)
//	Concurrency  after what refuses cheaply, so that the refused hold no slot
//	Timeout      inside Concurrency, so that a slot is free at the deadline
//	             even if the handler runs on
//
// Layers of your own belong below Errors, where their errors are made safe and
// logged.
//
// All layers share a few rules. Whether a call failed is asked of [Failure]
// alone. A result from below is never changed, as it may be shared between
// calls. A layer that refuses returns a coded error and leaves the wire to
// Errors. All middleware is safe for concurrent use, and none has to be closed.
package middleware
