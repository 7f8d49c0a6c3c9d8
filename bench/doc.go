// Package bench will hold the benchmarks that measure Trestle side by side with
// its peers: a plain net/http handler with encoding/json, a bare go-sdk server
// and a bare mcp-go server, in one run on one machine, so that the ratios can
// be compared. It is a module of its own to keep the peers out of the core's
// dependencies.
package bench
