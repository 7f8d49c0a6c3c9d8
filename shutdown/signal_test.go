package shutdown_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/shutdown"
)

const childEnv = "TRESTLE_SHUTDOWN_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		os.Exit(child(what))
	}
	os.Exit(m.Run())
}

// child is a process that ends as what says.
func child(what string) int {
	s := shutdown.New(&shutdown.Options{Wait: -1, Drain: time.Minute})
	say := func(text string) { fmt.Println(text) } //nolint:forbidigo // the parent reads it
	switch what {
	case "hangs":
		s.Add(shutdown.Hook{Name: "hung", Timeout: time.Hour, Run: func(context.Context) error {
			say("closing")
			select {}
		}})
	case "fails":
		s.Add(shutdown.Hook{Name: "bad", Run: func(context.Context) error { return os.ErrInvalid }})
	case "hangs all over":
		s = shutdown.New(&shutdown.Options{Wait: 50 * time.Millisecond, Drain: 100 * time.Millisecond})
		for _, stage := range []shutdown.Stage{shutdown.Unready, shutdown.Drain, shutdown.Close, shutdown.Close, shutdown.Flush} {
			s.Add(shutdown.Hook{Name: "hung", Stage: stage, Timeout: 50 * time.Millisecond, Run: func(context.Context) error { select {} }})
		}
		say(s.Limit().String())
	case "waits":
		s = shutdown.New(&shutdown.Options{Wait: time.Hour})
		s.Add(shutdown.Hook{Name: "readiness", Stage: shutdown.Unready, Run: func(context.Context) error {
			say("closing")
			return nil
		}})
	}
	err := s.Run(context.Background(), func(ctx context.Context) error {
		say("working")
		<-ctx.Done()
		return nil
	})
	return shutdown.ExitCode(err)
}

func TestExitCode_TellsHowAProcessEnded(t *testing.T) {
	cases := []struct {
		what    string
		signals []os.Signal
		want    int
	}{
		{"clean", []os.Signal{syscall.SIGTERM}, 0},
		{"clean", []os.Signal{os.Interrupt}, 0},
		{"fails", []os.Signal{syscall.SIGTERM}, 1},
		{"hangs", []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, 143},
		{"hangs", []os.Signal{syscall.SIGTERM, os.Interrupt}, 130},
		{"waits", []os.Signal{os.Interrupt, os.Interrupt}, 130},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.what, c.signals), func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), childEnv+"="+c.what)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, sig := range c.signals {
				if !lines.Scan() { // it works, and then it closes
					t.Fatal("it ended early")
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			for lines.Scan() {
				t.Logf("it said %q", lines.Text())
			}
			_ = cmd.Wait() // the code says it
			if code := cmd.ProcessState.ExitCode(); code != c.want {
				t.Errorf("exit %d, want %d", code, c.want)
			}
		})
	}
}

func TestRun_EndsAtItsLimitHoweverMuchHangs(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var worst time.Duration
	for range 5 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), childEnv+"=hangs all over", "GORACE=atexit_sleep_ms=0")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan()
		limit, err := time.ParseDuration(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		lines.Scan() // it works
		began := time.Now()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		lines.Scan() // the end
		worst = max(worst, time.Since(began)-limit)
		_ = cmd.Wait() // the code says it
		if code := cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("exit %d", code)
		}
	}
	t.Logf("the limit was exceeded by %v at most", worst)
	if worst > 10*time.Second { // 100 ms is promised, but the machine may be busy
		t.Error("it hung")
	}
}

func TestHTTPServer_AnswersWhatRunsAndCutsWhatIsLeft(t *testing.T) {
	for _, obeys := range []bool{true, false} {
		t.Run(fmt.Sprint("ends:", obeys), func(t *testing.T) {
			entered, leave := make(chan struct{}), make(chan struct{})
			web := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(entered)
				<-leave
				_, _ = w.Write([]byte("done"))
			})}
			var lc net.ListenConfig
			l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			drain := time.Minute
			if !obeys {
				drain = 10 * time.Millisecond
			}
			s := shutdown.New(&shutdown.Options{Signals: noSignals, Wait: -1, Drain: drain})
			s.Add(shutdown.HTTPServer("web", web))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- s.Run(ctx, func(context.Context) error { return web.Serve(l) })
			}()
			answered := make(chan error, 1)
			go func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), nil)
				if err == nil {
					var res *http.Response
					if res, err = http.DefaultClient.Do(req); err == nil {
						_ = res.Body.Close()
					}
				}
				answered <- err
			}()
			<-entered
			cancel()
			<-s.Begun()
			if obeys {
				close(leave)
			}
			err = <-done
			answer := <-answered
			if !obeys {
				close(leave)
			}
			if (err == nil) != obeys || (answer == nil) != obeys {
				t.Errorf("the sequence said %v, the client got %v", err, answer)
			}
			if err != nil && !strings.Contains(err.Error(), `drain "web"`) {
				t.Errorf("error %v", err)
			}
		})
	}
}
