// Package health tells whether a process can do its work: checks run in the
// background, and probes are answered from memory.
//
// A [Monitor] runs what has a method Check(ctx) error, each on one goroutine of
// its own: every interval, with a timeout, and with hysteresis, so that one lost
// packet takes no replica away. What failed once is looked at again sooner; until
// it is confirmed the process is degraded. A check that does not return makes no
// second goroutine and is unhealthy by its age.
//
// [Monitor.Handler] answers three questions of an orchestrator:
//
//	/livez     Does the process live? Never asks a check: a database that is down
//	           is no reason to restart who waits for it.
//	/readyz    May it get calls? Healthy and degraded answer 200. A critical check
//	           that is unhealthy, or a drain, answers 503.
//	/startupz  Has every critical check passed once? From then on, always 200.
//
// Bodies are JSON in the format of draft-inadarei-api-health-check-06
// (application/health+json), or plain text for who prefers that. They hold one
// word; what each check said is for those only whom [Options.Details] admits.
//
// The package uses the standard library alone and knows nothing of MCP.
package health
