// Package trestle is the contender that all this is about, in two stacks.
//
// Stack "bare" is for somebody who has a go-sdk server and takes only parts:
// transport.NewHTTPHandler before it, schema.Schema in its tools, and
// middleware.Recover, without which no server should run.
//
// Stack "production" is what server.New gives, with every middleware that the
// default stack has. Its limits are set but out of reach, and each call's log
// record is encoded as JSON and thrown away.
package trestle

import (
	"flag"
	"fmt"
	"io"
	"net/http"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
	"github.com/trestle-mcp/trestle/server"
)

// Stacks.
const (
	Bare       = "bare"
	Production = "production"
)

const modernVersion = "2026-07-28"

// Flags are the contender's.
func Flags(fs *flag.FlagSet) func() (http.Handler, error) {
	stack := fs.String("stack", Production, "`bare` (transport, schema, recover) or production (all defaults of server.New)")
	era := fs.String("era", "both", "serve clients of this `era` only: legacy, modern or both")
	tools := fs.Int("tools", 0, "serve this many `tools` more, with six-property schemas")
	reserve := fs.Int("heap-reserve", server.DefaultHeapReserve, "`bytes` that the production stack reserves, as server.Run does; -1: none")
	return func() (http.Handler, error) {
		h, err := New(*stack, *tools)
		if err != nil {
			return nil, err
		}
		if *stack == Production {
			h = &reserved{h, server.ReserveHeap(*reserve)}
		}
		return only(*era, h)
	}
}

// A reserved handler has the heap reserve of [server.Server.Run] for as long as it
// is there itself.
type reserved struct {
	http.Handler
	release func()
}

// New returns the handler of a stack with extra tools in its list.
func New(stack string, extra int) (http.Handler, error) {
	switch {
	case extra < 0:
		return nil, fmt.Errorf("-tools %d is negative", extra)
	case stack == Bare:
		return bare(extra)
	case stack == Production:
		return production(extra, io.Discard)
	}
	return nil, fmt.Errorf("-stack %q is neither %s nor %s", stack, Bare, Production)
}

// only lets clients of one era through to h, which serves both.
func only(era string, h http.Handler) (http.Handler, error) {
	switch era {
	case "both":
		return h, nil
	case "legacy", "modern":
	default:
		return nil, fmt.Errorf("-era %q is none of legacy, modern, both", era)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.Header.Get("Mcp-Protocol-Version") >= modernVersion) != (era == "modern") {
			http.Error(w, "this server was started for clients of the other era", http.StatusBadRequest)
			return
		}
		h.ServeHTTP(w, r)
	}), nil
}

func sum(in fixture.AddIn) fixture.AddOut { return fixture.AddOut{Sum: in.A + in.B} }
