package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

// foreign returns an SQLite file of somebody else.
func foreign(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	execute(t, path, "CREATE TABLE events (a)")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func one(id string, size int) eventstore.Event {
	return eventstore.Event{ID: id, Type: "t", Data: make([]byte, size)}
}

func TestBackend_WorksAgainWhenThereIsSpace(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "events.db"))
	t.Cleanup(func() { closeAll(t, b) })
	s := eventstore.New(b, nil)
	if err := b.SetMaxPages(40); err != nil {
		t.Fatal(err)
	}
	n := 0
	var err error
	for ; err == nil; n++ {
		_, err = s.Append(t.Context(), "a", eventstore.Expected(2*n), one(fmt.Sprint("x", n), 4000), one(fmt.Sprint("y", n), 4000))
	}
	n--
	if !errors.Is(err, eventstore.ErrNoSpace) || n < 10 {
		t.Fatalf("after %d appends: %v", n, err)
	}
	if got := read(t, b); len(got) != 2*n {
		t.Errorf("%d events after %d appends of two", len(got), n)
	}
	if err := b.SetMaxPages(1000); err != nil {
		t.Fatal(err)
	}
	_, err = s.Append(t.Context(), "a", eventstore.Expected(2*n), one(fmt.Sprint("x", n), 4000), one(fmt.Sprint("y", n), 4000))
	if err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBackend_ALargeAppendWithoutSpaceDoesNotStopASmallOne(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "events.db"))
	t.Cleanup(func() { closeAll(t, b) })
	s := eventstore.New(b, nil)
	if err := b.SetMaxPages(40); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	b.Hold(release)
	large, small := make(chan error, 1), make(chan error, 1)
	go func() { _, err := s.Append(t.Context(), "l", eventstore.Any, one("l", 1<<19)); large <- err }()
	go func() { _, err := s.Append(t.Context(), "s", eventstore.Any, one("s", 10)); small <- err }()
	await(t, func() bool { return b.Waiting() == 2 }) // they share a transaction
	close(release)
	if err := <-large; !errors.Is(err, eventstore.ErrNoSpace) {
		t.Errorf("the large one: %v", err)
	}
	if err := <-small; err != nil {
		t.Errorf("the small one: %v", err)
	}
}

// await polls for what another goroutine does.
func await(t *testing.T, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("it does not happen")
		}
	}
}

func TestBackend_IsClosedToWritesAfterAFailedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.db")
	b := open(t, path)
	s := eventstore.New(b, nil)
	if _, err := s.Append(t.Context(), "a", eventstore.Any, one("before", 10)); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("fsync: input/output error")
	if err := b.Check(t.Context()); err != nil {
		t.Errorf("Check of a sound store: %v", err)
	}
	if err := b.FailCommits(broken); !errors.Is(err, broken) || !errors.Is(err, eventstore.ErrWritesClosed) { // this one fails already
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); !errors.Is(err, eventstore.ErrWritesClosed) {
		t.Errorf("Check of a store that takes no writes: %v", err)
	}
	for _, id := range []string{"first", "second"} {
		if _, err := s.Append(t.Context(), "a", eventstore.Any, one(id, 10)); !errors.Is(err, eventstore.ErrWritesClosed) {
			t.Errorf("append: %v", err)
		}
	}
	if got := read(t, b); len(got) != 1 {
		t.Errorf("reads find %d events", len(got))
	}
	closeAll(t, b)
	b = open(t, path)
	t.Cleanup(func() { closeAll(t, b) })
	if _, err := eventstore.New(b, nil).Append(t.Context(), "a", eventstore.Expected(1), one("after", 10)); err != nil {
		t.Errorf("opened again: %v", err)
	}
}

func TestBackend_AnswersAllWhenAnotherProcessHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.db")
	b, err := sqlite.Open(t.Context(), path, &sqlite.Options{BusyTimeout: 200 * time.Millisecond, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, b) })
	s := eventstore.New(b, nil)
	other, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const waiting = 200
	failed := make(chan error, waiting)
	began := time.Now()
	for i := range waiting {
		go func() {
			_, err := s.Append(t.Context(), "a", eventstore.Any, one(fmt.Sprint(i), 10))
			failed <- err
		}()
	}
	for range waiting {
		if err := <-failed; err == nil || errors.Is(err, eventstore.ErrWritesClosed) {
			t.Errorf("append: %v", err)
		}
	}
	if took := time.Since(began); took > waiting*200*time.Millisecond/4 {
		t.Errorf("%d appends waited one after the other: %v", waiting, took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "b", eventstore.NoStream, one("after", 10)); err != nil {
		t.Error(err)
	}
	if err := b.Verify(t.Context()); err != nil { // on one connection
		t.Error(err)
	}
}

func TestBackend_CommitsWaitingAppendsTogether(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "events.db"))
	t.Cleanup(func() { closeAll(t, b) })
	s := eventstore.New(b, nil)
	var commits atomic.Int64
	if err := b.Commits(func() { commits.Add(1) }); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	b.Hold(release)
	before := commits.Load()
	const waiting = 100
	var conflicts atomic.Int64
	var wg sync.WaitGroup
	for i := range waiting {
		wg.Go(func() {
			_, err := s.Append(t.Context(), fmt.Sprint("s", i%10), eventstore.NoStream, one(fmt.Sprint(i), 10))
			if _, ok := errors.AsType[*eventstore.ConflictError](err); ok {
				conflicts.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	await(t, func() bool { return b.Waiting() == waiting })
	close(release)
	wg.Wait()
	if n := commits.Load() - before; n != 2 { // that which was held, and one for all
		t.Errorf("%d commits for %d appends", n, waiting)
	}
	if got := read(t, b); len(got) != 10 || conflicts.Load() != waiting-10 {
		t.Errorf("%d events, %d conflicts", len(got), conflicts.Load())
	}
}

func TestBackend_AnAppendWhoseCallerLeftIsRepeatedSafely(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "events.db"))
	t.Cleanup(func() { closeAll(t, b) })
	s := eventstore.New(b, nil)
	release := make(chan struct{})
	b.Hold(release)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { _, err := s.Append(ctx, "a", eventstore.NoStream, one("x", 10)); left <- err }()
	await(t, func() bool { return b.Waiting() == 1 })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(release)
	if _, err := s.Append(t.Context(), "a", eventstore.NoStream, one("x", 10)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, b); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
}

// In the midst of a file that is too large for Open to look at all of it.
func TestBackend_FindsDamageWhereOpenDoesNotLook(t *testing.T) {
	for name, damage := range map[string]string{
		"changed data":     "UPDATE events SET data = x'01' WHERE position = 7",
		"changed stream":   "UPDATE events SET stream = 'b' WHERE position = 7",
		"changed position": "UPDATE events SET position = 1000 WHERE position = 7",
		"missing event":    "DELETE FROM events WHERE position = 7",
		"missing events":   "DELETE FROM events WHERE position < 7",
		"no data":          "UPDATE events SET data = zeroblob(0) WHERE position = 7",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.db")
			b := open(t, path)
			s := eventstore.New(b, nil)
			for i := range 50 {
				if _, err := s.Append(t.Context(), "a", eventstore.Any, one(fmt.Sprint("event", i), 10)); err != nil {
					t.Fatal(err)
				}
			}
			closeAll(t, b)
			execute(t, path, damage)
			if b, err := sqlite.Open(t.Context(), path, nil); err == nil {
				t.Error("a small file is not checked as a whole")
				closeAll(t, b)
			}
			b, err := sqlite.Open(t.Context(), path, &sqlite.Options{VerifyEvents: 10, Readers: 1})
			if name == "changed position" { // to one behind the others, where Open looks
				if err == nil {
					closeAll(t, b)
					t.Error("opened")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeAll(t, b) })
			checkDamaged(t, b)
		})
	}
}

// checkDamaged holds every way of reading to finding the damage.
func checkDamaged(t *testing.T, b *sqlite.Backend) {
	t.Helper()
	s := eventstore.New(b, nil)
	found := map[string]error{"verify": b.Verify(t.Context())}
	for _, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		found["all"] = err
	}
	for _, err := range s.ReadStream(t.Context(), "a", 0, eventstore.Forward) {
		found["forward"] = err
	}
	for _, err := range s.ReadStream(t.Context(), "a", 0, eventstore.Backward) {
		found["backward"] = err
	}
	for way, err := range found {
		corrupt, ok := errors.AsType[*sqlite.CorruptError](err)
		if !ok || corrupt.Path != b.Path() {
			t.Errorf("%s: %v", way, err)
		}
	}
}

func execute(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
