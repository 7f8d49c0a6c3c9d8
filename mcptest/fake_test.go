package mcptest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// failed runs f with a testing.TB that notes failures instead of failing, and
// runs what f had cleaned up.
func failed(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	tb := &fake{TB: t}
	run := func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	run(func() { f(tb) })
	for len(tb.cleanups) > 0 {
		last := tb.cleanups[len(tb.cleanups)-1]
		tb.cleanups = tb.cleanups[:len(tb.cleanups)-1]
		run(last)
	}
	return strings.Join(tb.messages, "\n")
}

type fake struct {
	testing.TB
	messages []string
	cleanups []func()
}

func (f *fake) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }

func (f *fake) Failed() bool { return len(f.messages) > 0 }

func (f *fake) Errorf(format string, args ...any) {
	f.messages = append(f.messages, fmt.Sprintf(format, args...))
}

func (f *fake) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}
