package sqlite_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

var damage = flag.Int("damage", 60, "how many places each damage test tries; 0 means all, and takes long")

// files are the contents of a store's files by the ends of their names.
type files map[string][]byte

func (f files) write(t *testing.T, path string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-ack", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if data, ok := f[end]; ok {
			if err := os.WriteFile(path+end, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func readFiles(t *testing.T, path string, ends ...string) files {
	t.Helper()
	f := files{}
	for _, end := range ends {
		data, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		f[end] = data
	}
	return f
}

// written returns the files of a store as a killed process leaves them, with
// the log that was not yet moved, and as Close leaves them; and the events.
func written(t *testing.T) (crashed, closed files, events []eventstore.Event) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.db")
	b := open(t, path)
	s := eventstore.New(b, nil)
	fill := func(from int) {
		for i := range 12 {
			stream := fmt.Sprint("s", i%3)
			batch := []eventstore.Event{
				{ID: fmt.Sprintf("e%d", from+i), Type: "t", Data: bytes.Repeat([]byte{byte(i)}, 50*i)},
				{ID: fmt.Sprintf("f%d", from+i), Type: "t", Metadata: eventstore.Metadata{Correlation: "c"}},
			}
			if _, err := s.Append(t.Context(), stream, eventstore.Any, batch...); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(0)
	closeAll(t, b) // the first half is in the file, the second in the log
	b = open(t, path)
	s = eventstore.New(b, nil)
	fill(100)
	events = read(t, b)
	crashed = readFiles(t, path, "", "-wal", "-ack")
	closeAll(t, b)
	return crashed, readFiles(t, path, "", "-ack"), events
}

func read(t *testing.T, b *sqlite.Backend) []eventstore.Event {
	t.Helper()
	var events []eventstore.Event
	for e, err := range eventstore.New(b, nil).ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// judge opens damaged files at path: all events are there, or Open refuses, names
// the file and leaves it alone. It returns whether it refused.
func judge(t *testing.T, path, what string, f files, want []eventstore.Event) (refused bool) {
	t.Helper()
	f.write(t, path)
	b, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name the file: %v", what, err)
		}
		for end, data := range f {
			if got, err := os.ReadFile(path + end); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: the refused file %q was changed, %v", what, end, err)
			}
		}
		return true
	}
	if got := read(t, b); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: opened with %d events of %d, or with others", what, len(got), len(want))
	}
	closeAll(t, b)
	return false
}

// places returns offsets below n: all of them, or some, the last always.
func places(n int) []int {
	if *damage == 0 || n <= *damage {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	some := []int{n - 1}
	for range *damage - 1 {
		some = append(some, rand.IntN(n))
	}
	return some
}

func TestOpen_RefusesALogThatWasCut(t *testing.T) {
	crashed, _, events := written(t)
	path := filepath.Join(t.TempDir(), "events.db")
	if judge(t, path, "nothing", crashed, events) {
		t.Fatal("what a killed process leaves is refused")
	}
	log := crashed["-wal"]
	for _, n := range places(len(log)) {
		crashed["-wal"] = log[:n]
		if !judge(t, path, fmt.Sprint("log cut at ", n), crashed, events) {
			t.Errorf("a log of %d bytes cut at %d is not refused", len(log), n)
		}
	}
}

func TestOpen_RefusesAFileThatWasCut(t *testing.T) {
	_, closed, events := written(t)
	path := filepath.Join(t.TempDir(), "events.db")
	if judge(t, path, "nothing", closed, events) {
		t.Fatal("what Close leaves is refused")
	}
	data := closed[""]
	for _, n := range places(len(data)) {
		closed[""] = data[:n]
		if !judge(t, path, fmt.Sprint("file cut at ", n), closed, events) {
			t.Errorf("a file of %d bytes cut at %d is not refused", len(data), n)
		}
	}
}

func TestOpen_HasAllEventsOrRefusesAfterAFlippedBit(t *testing.T) {
	crashed, closed, events := written(t)
	for name, test := range map[string]struct {
		files files
		end   string
	}{
		"file":              {closed, ""},
		"log":               {crashed, "-wal"},
		"file with its log": {crashed, ""},
		"mark":              {crashed, "-ack"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.db")
			data := test.files[test.end]
			refused := 0
			tried := places(len(data))
			for _, i := range tried {
				flipped := bytes.Clone(data)
				flipped[i] ^= 1 << rand.IntN(8)
				test.files[test.end] = flipped
				if judge(t, path, fmt.Sprintf("%s with a bit of byte %d flipped", name, i), test.files, events) {
					refused++
				}
			}
			test.files[test.end] = data
			t.Logf("%d of %d refused", refused, len(tried))
		})
	}
}

func TestOpen_TakesWhatALossOfPowerLeaves(t *testing.T) {
	crashed, _, events := written(t)
	delete(crashed, "-ack") // not synced: it may be as it was long before
	log := crashed["-wal"]
	path := filepath.Join(t.TempDir(), "events.db")
	for _, n := range places(len(log)) {
		crashed["-wal"] = log[:n]
		crashed.write(t, path)
		b := open(t, path)
		got := read(t, b)
		if len(got) < 24 || len(got)%2 != 0 || !reflect.DeepEqual(got, events[:len(got)]) {
			t.Errorf("log cut at %d: %d events, not the first ones or a torn append", n, len(got))
		}
		closeAll(t, b)
	}
}

func TestOpen_RefusesWhatItIsNot(t *testing.T) {
	_, closed, _ := written(t)
	path := filepath.Join(t.TempDir(), "events.db")
	for name, f := range map[string]files{
		"text":          {"": []byte("Dear diary, today nothing happened.\n")},
		"gone":          {"-ack": closed["-ack"]},
		"empty":         {"": nil, "-ack": closed["-ack"]},
		"another store": {"": foreign(t)},
		"no index":      {"": altered(t, closed, "DROP INDEX events_id")},
		"newer":         {"": altered(t, closed, "PRAGMA user_version = 3")},
	} {
		if !judge(t, path, name, f, nil) {
			t.Errorf("%s is not refused", name)
		}
	}
}

// altered returns the main file after statements of somebody else.
func altered(t *testing.T, f files, statements string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.db")
	f.write(t, path)
	execute(t, path, statements)
	return readFiles(t, path, "")[""]
}
