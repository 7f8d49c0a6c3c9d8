//go:build linux

package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

// smallDisk makes a tablespace on a file system of a few megabytes the default
// one, and returns a file on it that can be removed to make space.
func smallDisk(t *testing.T, s *server) (ballast string) {
	t.Helper()
	dir := filepath.Join(s.dir, "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() { // before the folder of the server is removed
		s.stop(t, "immediate")
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	if s.as != nil {
		if err := os.Chown(dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	pool := newPool(t, s.url(), "small disk", 1)
	mustExec(t, pool, fmt.Sprintf("create tablespace small location '%s'", dir))
	mustExec(t, pool, "alter role postgres set default_tablespace = small")
	pool.Close() // settings of a role are for later connections
	ballast = filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return ballast
}

// size is how many events there are, and in how many of them version and
// position are not the next ones.
func size(t *testing.T, s *eventstore.Store) (n, wrong int) {
	t.Helper()
	var last eventstore.Position
	for e, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{StreamPrefix: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; e.Version != int64(n) || e.Position.Compare(last) <= 0 {
			wrong++
		}
		last = e.Position
	}
	return n, wrong
}

// noise returns bytes that the server does not make fewer.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// fillView writes an entry that is too large for the disk.
func fillView(ctx context.Context, b *postgres.Backend) error {
	entry := eventstore.ViewEntry{Key: "k", Value: fmt.Appendf(nil, "%q", hex.EncodeToString(noise(8<<20)))}
	return b.UpdateViews(ctx, nil, func(ctx context.Context, tx eventstore.ViewTx) error {
		return tx.Put(ctx, "space", []eventstore.ViewEntry{entry})
	})
}

func TestBackend_WorksAgainWhenTheDiskHasSpace(t *testing.T) {
	server := startServer(t)
	ballast := smallDisk(t, server)
	pool := newPool(t, server.url(), "full disk", 4)
	b := open(t, pool, &postgres.Options{Patience: time.Second})
	s := eventstore.New(b, nil)
	batch := func(n int) []eventstore.Event {
		events := eventsOf(fmt.Sprint("e", n), 2)
		for i := range events {
			events[i].Data = noise(4000)
		}
		return events
	}
	n := 0
	var err error
	for ; err == nil && n < 2000; n++ {
		_, err = s.Append(t.Context(), "a", eventstore.Expected(2*n), batch(n)...)
	}
	n--
	if !errors.Is(err, eventstore.ErrNoSpace) || n < 5 {
		t.Fatalf("after %d appends: %v", n, err)
	}
	if got, wrong := size(t, s); got != 2*n || wrong != 0 {
		t.Errorf("%d events after %d appends of two, %d of them wrong", got, n, wrong)
	}
	if err := fillView(t.Context(), b); !errors.Is(err, eventstore.ErrNoSpace) {
		t.Errorf("views: %v", err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "a", eventstore.Expected(2*n), batch(n)...); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if got, wrong := size(t, s); got != 2*n+2 || wrong != 0 {
		t.Errorf("%d events after %d appends of two, %d of them wrong", got, n+1, wrong)
	}
}
