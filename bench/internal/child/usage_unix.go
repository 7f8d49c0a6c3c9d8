//go:build unix

package child

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

func cpuTime() (time.Duration, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}

// residentBytes reads what Linux tells; getrusage knows only the maximum.
func residentBytes() uint64 {
	data, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(data)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 32)
	if err != nil {
		return 0
	}
	return pages * uint64(max(0, os.Getpagesize()))
}
