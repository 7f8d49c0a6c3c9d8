// Package examples holds the examples as files, for `trestle new`.
package examples

import "embed"

// Files are the examples that a server is started from, and the module's own
// go.mod and go.sum.
//
//go:embed go.mod go.sum minimal secured ledger plugins production
var Files embed.FS
