//go:build linux

package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

// The same as TestBackend_WorksAgainWhenThereIsSpace, on a file system that is
// really full: then it is the log that finds no space.
func TestBackend_WorksAgainWhenTheDiskHasSpace(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 300<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "events.db")
	b := open(t, path)
	s := eventstore.New(b, nil)
	n := 0
	var err error
	for ; err == nil && n < 1000; n++ {
		_, err = s.Append(t.Context(), "a", eventstore.Expected(2*n), one(fmt.Sprint("x", n), 4000), one(fmt.Sprint("y", n), 4000))
	}
	n--
	if !errors.Is(err, eventstore.ErrNoSpace) || n < 5 {
		t.Fatalf("after %d appends: %v", n, err)
	}
	if got := read(t, b); len(got) != 2*n {
		t.Errorf("%d events after %d appends of two", len(got), n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	_, err = s.Append(t.Context(), "a", eventstore.Expected(2*n), one(fmt.Sprint("x", n), 4000), one(fmt.Sprint("y", n), 4000))
	if err != nil {
		t.Errorf("with space again: %v", err)
	}
	closeAll(t, b)
	b = open(t, path)
	if got := read(t, b); len(got) != 2*n+2 {
		t.Errorf("%d events after %d appends of two", len(got), n+1)
	}
	closeAll(t, b)
}
