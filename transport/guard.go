package transport

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// guarded is the process's output while it is guarded.
var guarded struct {
	sync.Mutex
	n    int // guards that were not undone
	real *os.File
}

// GuardStdout puts os.Stderr in the place of os.Stdout, so that what a handler
// prints cannot get between the messages, and returns the real os.Stdout, which
// is only for them. restore undoes it; guards may be nested, the last restore
// counts. It does not reach what kept the file or writes to descriptor 1.
//
// It is safe for concurrent use, but os.Stdout itself is not: call it before
// anything else prints.
func GuardStdout() (out *os.File, restore func()) {
	guarded.Lock()
	defer guarded.Unlock()
	if guarded.n == 0 {
		guarded.real = os.Stdout
		os.Stdout = os.Stderr
	}
	guarded.n++
	return guarded.real, sync.OnceFunc(func() {
		guarded.Lock()
		defer guarded.Unlock()
		if guarded.n--; guarded.n == 0 {
			os.Stdout = guarded.real
		}
	})
}

// isProcessOutput reports whether f is an output of the whole process.
func isProcessOutput(f *os.File) bool {
	guarded.Lock()
	defer guarded.Unlock()
	return f == os.Stdout || f == os.Stderr || f == guarded.real
}

// surviveBrokenPipe makes a write to a closed output fail: by default it kills
// the process before calls can be ended.
func surviveBrokenPipe() (restore func()) {
	ch := make(chan os.Signal, 1) // nobody reads: delivery never blocks
	signal.Notify(ch, syscall.SIGPIPE)
	return func() { signal.Stop(ch) }
}
