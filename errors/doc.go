// Package errors gives a failure a code, a public message and a private cause,
// and is the only place that says how it looks on the wire.
//
// Import it as mcperrors. It defines no New, Is, As, Join or Unwrap, so code
// that forgets the alias does not compile; use the standard library for those.
//
// On the wire a failure is a JSON-RPC error whose data holds type, details,
// scopes, timestamp, requestId and retryAfterMs, or, for tools/call and the
// codes of which [Code.IsToolResult] is true, a result with isError set.
//
//	Code                    JSON-RPC  HTTP legacy  HTTP modern  tools/call
//	validation              -32602    200          400          isError result
//	unauthenticated         401       401          401          error
//	authorization           403       403          403          error
//	not_found               -32602    200          400          error
//	conflict                409       200          200          isError result
//	rate_limited            429       429          429          error
//	timeout                 504       200          200          isError result
//	unavailable, exhausted  503       503          503          error
//	canceled                499       499          499          no answer is owed
//	internal                -32603    200          200          error, generic text
//
// Over HTTP an answer has the status of the table as long as nothing was sent,
// with Retry-After for [Error.RetryAfter] and, for 401 and for 403 with
// [Error.Scopes], WWW-Authenticate.
//
// Legacy is any protocol version up to 2025-11-25, modern is 2026-07-28 and
// later. A missing resource is -32002 in legacy.
package errors
