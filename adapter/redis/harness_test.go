package redis_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

func TestMain(m *testing.M) {
	if os.Getenv(raceEnv) != "" {
		os.Exit(race())
	}
	os.Exit(m.Run())
}

// without ends a test for which something is missing here.
func without(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("TRESTLE_CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func options() (rueidis.ClientOption, error) {
	return rueidis.ParseURL(cmp.Or(os.Getenv("TRESTLE_REDIS_URL"), "redis://127.0.0.1:6379"))
}

// dial returns a client of the Redis in TRESTLE_REDIS_URL, or on its usual port.
func dial(t testing.TB) rueidis.Client {
	t.Helper()
	opts, err := options()
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(opts)
	if err != nil {
		without(t, "no Redis: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}

// unique returns a prefix that no other test has. Its keys end with the test.
func unique(t testing.TB, client rueidis.Client) string {
	prefix := "test-" + rand.Text()
	t.Cleanup(func() {
		for _, key := range keys(t, client, prefix) {
			if err := client.Do(context.Background(), client.B().Del().Key(key).Build()).Error(); err != nil { //nolint:usetesting // that of the test is over
				t.Error(err)
			}
		}
	})
	return prefix
}

func keys(t testing.TB, client rueidis.Client, prefix string) (all []string) {
	t.Helper()
	for cursor := uint64(0); ; {
		page, err := client.Do(context.Background(), client.B().Scan().Cursor(cursor).Match("{"+prefix+":*").Count(1000).Build()).AsScanEntry() //nolint:usetesting // also after the test
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Elements...)
		if cursor = page.Cursor; cursor == 0 {
			return all
		}
	}
}

// patient limits do not decide without Redis because the machine is slow.
func patient(t testing.TB, client rueidis.Client) *redis.Limits {
	t.Helper()
	return limits(t, client, &redis.LimitOptions{Prefix: unique(t, client), Timeout: time.Minute})
}

func limits(t testing.TB, client rueidis.Client, opts *redis.LimitOptions) *redis.Limits {
	t.Helper()
	l, err := redis.NewLimits(client, opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func allow(t testing.TB, l ratelimit.Limiter, key string, cost int) ratelimit.Decision {
	t.Helper()
	d, err := l.Allow(t.Context(), key, cost)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A spy sees what the script answers, and can stand in the way.
type spy struct {
	rueidis.Client
	mu       sync.Mutex
	commands []string
	last     []int64
	before   func(ctx context.Context) error // may be nil
}

func (s *spy) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	s.mu.Lock()
	before := s.before
	s.commands = append(s.commands, cmd.Commands()[0])
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx); err != nil {
			return rueidis.NewErrorResult(err)
		}
	}
	res := s.Client.Do(ctx, cmd)
	s.mu.Lock()
	s.last, _ = res.AsIntSlice()
	s.mu.Unlock()
	return res
}

func (s *spy) with(before func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// now is what Redis's clock said in the last decision.
func (s *spy) now() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[1]
}

func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.commands)
}

// A server is a Redis that a test may break.
type server struct {
	t    *testing.T
	path string
	port string
	dir  string
	cmd  *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		without(t, "no redis-server in the PATH: %v", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	_ = free.Close()
	s := &server{t: t, path: path, port: port, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.path, "--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// freeze lets connections stand, and nothing be answered.
func (s *server) freeze()   { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) unfreeze() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *server) dial() rueidis.Client {
	s.t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + s.port}, ForceSingleClient: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return client
}

// eventually waits for what another process does.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen within 20 s")
		}
	}
}

func sum(d ratelimit.Decision) string {
	return fmt.Sprintf("%v %d/%d retry %v", d.Allowed, d.Remaining, d.Limit, d.RetryAfter)
}
