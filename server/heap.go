package server

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
)

// DefaultHeapReserve is how many bytes [Server.Run] reserves; see
// [Options.HeapReserve].
const DefaultHeapReserve = 16 << 20

// ReserveHeap has Go's garbage collector run as if n bytes more were in use. The
// memory is never touched, so it is not resident itself, but up to n bytes more
// of garbage are.
//
// A server that holds little is collected all the time: with the 4 MiB at which
// Go begins, and 4.5 kB a call, every 700 calls, which costs a tenth of each.
//
// It does nothing where the environment or the program has said something about
// the collector: GOGC, GOMEMLIMIT or their functions in [runtime/debug]. release
// gives the reserve back; it is given back, too, when nobody holds release.
func ReserveHeap(n int) (release func()) {
	if n <= 0 || os.Getenv("GOGC") != "" || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return func() {}
	}
	reserve := make([]byte, n)
	return func() { runtime.KeepAlive(reserve) }
}
