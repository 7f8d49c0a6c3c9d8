package sqlite_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

var kills = flag.Int("kills", 20, "how often TestBackend_LosesNothingWhenKilled kills a writer")

const childEnv = "TRESTLE_SQLITE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := write(path, os.Args[1], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// write appends without an end, and says which IDs were acknowledged.
func write(path, name string, out io.Writer) error {
	b, err := sqlite.Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	s := eventstore.New(b, nil)
	failed := make(chan error)
	if strings.HasPrefix(name, projectingChild) {
		if err := projectBeside(s, failed); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				events := make([]eventstore.Event, 1+(i+w)%3)
				for j := range events {
					events[j] = eventstore.Event{ID: fmt.Sprintf("%s-%d-%d-%d", name, w, i, j), Type: "t", Data: make([]byte, 100*w)}
				}
				if _, err := s.Append(context.Background(), fmt.Sprint("s", i%3), eventstore.Any, events...); err != nil {
					failed <- err
					return
				}
				mu.Lock()
				for _, e := range events {
					fmt.Fprintln(out, e.ID)
				}
				mu.Unlock()
			}
		}()
	}
	return <-failed
}

// projectingChild begins the name of a writer that also projects.
const projectingChild = "project"

// projectBeside returns when it projects.
func projectBeside(s *eventstore.Store, failed chan<- error) error {
	p, err := eventstore.NewProjector(s, totals)
	if err != nil {
		return err
	}
	go func() { failed <- p.Run(context.Background()) }()
	head, err := s.Head(context.Background())
	if err != nil {
		return err
	}
	if err := p.Wait(context.Background(), head); err != nil {
		return err
	}
	for !p.Stats().Leading {
		runtime.Gosched()
	}
	return nil
}

func TestBackend_LosesNothingWhenKilled(t *testing.T) {
	var path string
	var acked map[string]bool
	total := 0
	for n := range *kills {
		if n%100 == 0 { // so that checking does not take longer and longer
			path, acked = filepath.Join(t.TempDir(), "events.db"), map[string]bool{}
		}
		for id := range killed(t, path, fmt.Sprint("run", n)) {
			acked[id] = true
			total++
		}
		checkKilled(t, path, acked)
		if t.Failed() {
			t.Fatalf("after %d kills", n+1)
		}
	}
	t.Logf("%d kills, %d events acknowledged", *kills, total)
}

// killed runs a writer, kills it in the midst, and returns what it acknowledged.
func killed(t *testing.T, path, name string) map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], name)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[string]bool{}
	after := 1 + rand.IntN(100)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acked[lines.Text()] = true
		if len(acked) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if len(acked) < after {
		t.Fatalf("the writer ended by itself after %d events", len(acked))
	}
	return acked
}

func checkKilled(t *testing.T, path string, acked map[string]bool) {
	t.Helper()
	b := open(t, path)
	defer closeAll(t, b)
	found := map[string]int{}
	for e, err := range eventstore.New(b, nil).ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		found[e.ID]++
	}
	for id := range acked {
		if found[id] != 1 {
			t.Errorf("event %s was acknowledged and is there %d times", id, found[id])
		}
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
