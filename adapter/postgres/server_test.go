package postgres_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// A server is a PostgreSQL of a test's own, which it may break.
type server struct {
	bin, dir string
	port     int
	as       *syscall.Credential // nil means the user of the test
}

// startServer makes and starts one. It is stopped and removed after the test.
func startServer(t *testing.T) *server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		absent(t, "pg_ctl", errors.New("not found"))
	}
	slices.Sort(found)
	s := &server{bin: filepath.Dir(found[len(found)-1]), port: freePort(t)}
	if os.Geteuid() == 0 { // the server refuses to run as root
		s.as = postgresUser(t)
	}
	var err error
	// Not t.TempDir: another user has to get there.
	if s.dir, err = os.MkdirTemp("/tmp", "trestle-postgres-"); err != nil { //nolint:usetesting // see above
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, "initdb", "-D", s.dir+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
	t.Cleanup(func() { _ = s.command("pg_ctl", "-D", s.dir+"/data", "-m", "immediate", "-w", "stop").Run() })
	s.start(t)
	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func postgresUser(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		absent(t, "a user to run PostgreSQL", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	if s.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	}
	return cmd
}

func (s *server) run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (s *server) start(t *testing.T) {
	t.Helper()
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories=%s", s.port, s.dir)
	s.run(t, "pg_ctl", "-D", s.dir+"/data", "-l", s.dir+"/log", "-o", options, "-w", "start")
}

// stop ends it in the given mode: immediate is as good as a crash.
func (s *server) stop(t *testing.T, mode string) {
	t.Helper()
	s.run(t, "pg_ctl", "-D", s.dir+"/data", "-m", mode, "-w", "stop")
}

func (s *server) url() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}
