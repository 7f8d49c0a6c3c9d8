package shutdown

import (
	"errors"
	"os"
	"syscall"
)

// An InterruptedError says that a second signal ended a sequence.
type InterruptedError struct{ Signal os.Signal }

// Error implements error.
func (e *InterruptedError) Error() string {
	return "stopped at once by a second signal: " + e.Signal.String()
}

// ExitCode returns the exit status for what [Sequence.Run] returned: 0 for nil,
// 128 and its number for a second signal (130 for SIGINT, 143 for SIGTERM), 1
// for all else.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*InterruptedError](err); ok {
		if number, ok := e.Signal.(syscall.Signal); ok {
			return 128 + int(number)
		}
	}
	return 1
}
