// Package shutdown ends a process in order, and in bounded time.
//
// A [Sequence] waits for SIGINT or SIGTERM (or the end of a context, or of the
// work itself) and then goes through its stages:
//
//  1. [Unready]: readiness off. Then it waits, [Options.Wait], while calls are
//     still served: load balancers need that long to notice.
//  2. [Drain]: the work is told to stop. Hooks of this stage, all at once, refuse
//     what is new with an answer that says to retry, end idle streams so that
//     clients go elsewhere, and wait for what runs. Their context ends at the
//     drain deadline; what still runs then is to be canceled.
//  3. [Close]: resources are closed in reverse order of [Sequence.Add], each with
//     a timeout of its own.
//  4. [Flush]: telemetry, last, since all of the above is to be seen in it.
//
// No hook holds up the rest: one that hangs is left behind at its timeout, one
// that panics is an error. The whole never takes longer than [Sequence.Limit],
// and a second signal ends it at once. Errors come back joined, each with the
// name of its hook; [ExitCode] makes an exit status of them.
//
// The package uses the standard library alone and knows nothing of MCP: it ends
// an http.Server or any worker as well.
package shutdown
