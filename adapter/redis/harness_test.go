package redis_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
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
func without(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("TRESTLE_CI") != "" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

func options() (rueidis.ClientOption, error) {
	return rueidis.ParseURL(cmp.Or(os.Getenv("TRESTLE_REDIS_URL"), "redis://127.0.0.1:6379"))
}

// dial returns a client of the Redis in TRESTLE_REDIS_URL, or on its usual port.
func dial(tb testing.TB) rueidis.Client {
	tb.Helper()
	opts, err := options()
	if err != nil {
		tb.Fatal(err)
	}
	client, err := rueidis.NewClient(opts)
	if err != nil {
		without(tb, "no Redis: %v", err)
	}
	tb.Cleanup(client.Close)
	return client
}

// unique returns a prefix that no other test has. Its keys end with the test.
func unique(tb testing.TB, client rueidis.Client) string {
	tb.Helper()
	prefix := "test-" + rand.Text()
	tb.Cleanup(func() { remove(tb, client, "{"+prefix+":*") })
	return prefix
}

// remove deletes keys, unless the test has ended the server that had them.
func remove(tb testing.TB, client rueidis.Client, pattern string) {
	tb.Helper()
	ctx := context.Background() //nolint:usetesting // that of the test is over
	for _, key := range scan(ctx, client, pattern) {
		_ = client.Do(ctx, client.B().Del().Key(key).Build())
	}
}

func keys(tb testing.TB, client rueidis.Client, prefix string) []string {
	tb.Helper()
	return scan(tb.Context(), client, "{"+prefix+":*")
}

func scan(ctx context.Context, client rueidis.Client, pattern string) (all []string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for cursor := uint64(0); ; {
		page, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
		if err != nil {
			return nil
		}
		all = append(all, page.Elements...)
		if cursor = page.Cursor; cursor == 0 {
			return all
		}
	}
}

// patient limits do not decide without Redis because the machine is slow.
func patient(tb testing.TB, client rueidis.Client) *redis.Limits {
	tb.Helper()
	return limits(tb, client, &redis.LimitOptions{Prefix: unique(tb, client), Timeout: time.Minute})
}

func limits(tb testing.TB, client rueidis.Client, opts *redis.LimitOptions) *redis.Limits {
	tb.Helper()
	l, err := redis.NewLimits(client, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func allow(tb testing.TB, l ratelimit.Limiter, key string, cost int) ratelimit.Decision {
	tb.Helper()
	d, err := l.Allow(tb.Context(), key, cost)
	if err != nil {
		tb.Fatal(err)
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
	args []string
	cmd  *exec.Cmd
}

func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		without(t, "no redis-server in the PATH: %v", err)
	}
	s := &server{t: t, path: path, port: freePort(t), dir: t.TempDir(), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// freePort leaves room for the bus of a cluster, which is 10,000 ports further.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := free.Addr().(*net.TCPAddr).Port
		_ = free.Close()
		if port+10_000 < 1<<16 {
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free port")
	return ""
}

func (s *server) start() {
	s.t.Helper()
	args := append([]string{"--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.args...)
	s.cmd = exec.Command(s.path, args...)
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

func nothing(context.Context, string, mcp.Request) (mcp.Result, error) { return nil, nil }
