package scaffold

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// FindCheckout returns the checkout of Trestle that the working directory is in,
// or that this program was built from; "" if there is none.
func FindCheckout() string {
	if dir, err := os.Getwd(); err == nil {
		if root := checkoutAbove(dir); root != "" {
			return root
		}
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		return checkoutAbove(filepath.Dir(file))
	}
	return ""
}

// checkoutAbove returns dir or the first directory above it that is Trestle's.
func checkoutAbove(dir string) string {
	for above := range upwards(dir) {
		content, err := os.ReadFile(filepath.Join(above, "go.mod")) //nolint:gosec // only its first line is looked at
		if err == nil && strings.HasPrefix(string(content), "module "+trestle+"\n") {
			return above
		}
	}
	return ""
}

// inWorkspace reports whether a go.work above dir would be used in it.
func inWorkspace(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for above := range upwards(dir) {
		if _, err := os.Stat(filepath.Join(above, "go.work")); err == nil {
			return true
		}
	}
	return false
}

// upwards yields dir, if it is absolute, and the directories above it.
func upwards(dir string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for filepath.IsAbs(dir) && yield(dir) {
			if filepath.Dir(dir) == dir {
				return
			}
			dir = filepath.Dir(dir)
		}
	}
}
