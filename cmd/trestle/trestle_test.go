package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// over runs test with a server's URL in front, and with a command behind.
func over(t *testing.T, test func(t *testing.T, run func(args ...string) result)) {
	t.Helper()
	t.Run("http", func(t *testing.T) {
		url := serve(t)
		test(t, func(args ...string) result {
			return trestle(t, "from stdin", append([]string{args[0], url}, args[1:]...)...)
		})
	})
	t.Run("stdio", func(t *testing.T) {
		t.Setenv(serveVariable, "1")
		test(t, func(args ...string) result {
			return trestle(t, "from stdin", append(args, "--", os.Args[0])...)
		})
	})
}

func TestInspect_ShowsWhatThereIs(t *testing.T) {
	over(t, func(t *testing.T, run func(...string) result) {
		run("inspect").wants(t, exitOK, "looked-at 1.2.3", "2026-07-28", "Say things.", "say", "number?, text?", "read-only", "memo://one", "greet", "name")
		run("inspect", "--protocol", "2025-06-18").wants(t, exitOK, "2025-06-18")
		var got struct {
			Version string `json:"protocol_version"`
			Tools   []struct{ Name string }
		}
		run("inspect", "--json").decode(t, &got)
		if len(got.Tools) != 3 || got.Version != "2026-07-28" {
			t.Errorf("%+v", got)
		}
	})
}

func TestCall_TakesArgumentsAsTheSchemaSays(t *testing.T) {
	over(t, func(t *testing.T, run func(...string) result) {
		run("call", "say", "text=5", "number=5").wants(t, exitOK, `{"text":"5","number":5}`)
		run("call", "say", "--args", `{"number":7}`).wants(t, exitOK, `{"number":7}`)
		run("call", "say", "number=x").wants(t, exitFailed, "number")
		run("call", "say", "--json", "text=a").wants(t, exitOK, `"structuredContent"`)
		run("call", "nosuch").wants(t, exitFailed, "trestle: not_found: unknown tool\n")
		run("call", "say", "text").wants(t, exitUsage, "NAME=VALUE")
		run("call", "say", "--args", "{", "-H", "a:b").wants(t, exitUsage, "--args")
		run("call", "say", "--args", "@-").wants(t, exitUsage, "JSON object")
		run("call", "say", "--args", "{}", "a=b").wants(t, exitUsage, "not both")
		run("call").wants(t, exitUsage, "which tool")
	})
	file := filepath.Join(t.TempDir(), "args.json")
	if err := os.WriteFile(file, []byte(`{"text":"of a file"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	trestle(t, "", "call", serve(t), "say", "--args", "@"+file).wants(t, exitOK, "of a file")
	trestle(t, `{"text":"of stdin"}`, "call", serve(t), "say", "--args", "@-").wants(t, exitOK, "of stdin")
}

func TestCall_ShowsNothingThatChangesTheTerminal(t *testing.T) {
	r := trestle(t, "", "call", serve(t), "refuse")
	r.wants(t, exitFailed, `no \u001b[31mred`)
	if strings.Contains(r.out+r.err, "\x1b") {
		t.Errorf("%q", r.out+r.err)
	}
}

func TestReadAndPrompt_ShowContents(t *testing.T) {
	over(t, func(t *testing.T, run func(...string) result) {
		run("read", "memo://one").wants(t, exitOK, "a memo\n")
		if r := run("read", "memo://bytes"); r.out != "\x00\x01\x02" {
			t.Errorf("%q", r.out)
		}
		run("read", "--json", "memo://bytes").wants(t, exitOK, `"AAEC"`)
		run("read", "memo://none").wants(t, exitFailed, "trestle: not_found: ")
		run("read").wants(t, exitUsage, "which one resource")
		run("prompt", "greet", "name=Ann").wants(t, exitOK, "user: Greet Ann")
		run("prompt", "greet", "--json", "name=Ann").wants(t, exitOK, `"messages"`)
		run("prompt", "greet").wants(t, exitFailed, "name")
		run("prompt").wants(t, exitUsage, "which prompt")
	})
}

func TestLintAndConform_JudgeAServer(t *testing.T) {
	over(t, func(t *testing.T, run func(...string) result) {
		run("lint").wants(t, exitOK)
		run("conform").wants(t, exitOK, "ok   unknown-method (2025-11-25)", "ok   result-type (2026-07-28)", " 0 not kept")
		run("conform", "--json").wants(t, exitOK, `"rule": "unknown-tool"`)
	})
	url := serve(t)
	trestle(t, "", "call", url, "change").wants(t, exitOK)
	trestle(t, "", "lint", url).wants(t, exitFailed, `too like "SAY"`)
	trestle(t, "", "lint", url, "--json").wants(t, exitFailed, `"rule": "ambiguous-name"`)
	trestle(t, "", "lint", url, "--without", "ambiguous-name").wants(t, exitOK)
}

func TestWatch_ShowsWhatAServerTells(t *testing.T) {
	url := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &watched{told: make(chan struct{})}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"watch", url, "--json", "--resource", "memo://one"}, streams{out: out, err: out})
	}()
	for asked := false; !asked; {
		select {
		case <-out.told:
			asked = true
		case code := <-done:
			t.Fatalf("ended with %d: %s", code, out.text())
		default: // until the server tells, which it does from when it is watched on
			trestle(t, "", "call", url, "change")
		}
	}
	cancel()
	if code := <-done; code != exitInterrupted && code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(out.text(), `"method":"notifications/tools/list_changed"`) {
		t.Error(out.text())
	}
}

// watched closes a channel when something was written.
type watched struct {
	mu   sync.Mutex
	all  strings.Builder
	told chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all.Len() == 0 {
		close(w.told)
	}
	return w.all.Write(p)
}

func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

func TestTargets_AreAURLOrACommand(t *testing.T) {
	for _, command := range []string{"inspect", "lint", "conform", "watch", "install"} {
		trestle(t, "", command).wants(t, exitUsage, "which server")
		trestle(t, "", command, "ftp://a").wants(t, exitUsage, "no http or https URL")
		trestle(t, "", command, "--").wants(t, exitUsage, "no command behind --")
	}
	trestle(t, "", "inspect", "http://127.0.0.1:1/").wants(t, exitUnreachable, "connecting to http://127.0.0.1:1/")
	trestle(t, "", "conform", "http://127.0.0.1:1/").wants(t, exitUnreachable, "does not speak")
	trestle(t, "", "inspect", "--", "/no/such/program").wants(t, exitUnreachable)
	trestle(t, "", "inspect", serve(t), "more").wants(t, exitUsage, "not also")
	trestle(t, "", "inspect", serve(t), "-H", "nonsense").wants(t, exitUsage, "Name: value")
	trestle(t, "", "nosuch").wants(t, exitUsage, "nosuch")
	trestle(t, "", "inspect", "--nosuch").wants(t, exitUsage, "nosuch")
	trestle(t, "", "--help").wants(t, exitOK, "Exit codes", "inspect", "install")
	trestle(t, "", "completion", "bash").wants(t, exitOK, "__start_trestle")
}

func TestToken_IsTakenFromTheEnvironment(t *testing.T) {
	t.Setenv(tokenVariable, "a-token")
	header, err := targetFlags{headers: []string{"X-Other: b"}}.header()
	if err != nil || header.Get("Authorization") != "Bearer a-token" || header.Get("X-Other") != "b" {
		t.Errorf("%v, %v", header, err)
	}
	header, _ = targetFlags{headers: []string{"authorization: mine"}}.header()
	if header.Get("Authorization") != "mine" {
		t.Errorf("%v", header)
	}
}

func TestTarget_SaysWhereAServerMayBe(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	trestle(t, "", "inspect", web.URL).wants(t, exitUnreachable, "try "+web.URL+"/mcp")
	if r := trestle(t, "", "inspect", web.URL+"/mcp"); strings.Contains(r.err, "try") {
		t.Error(r.err)
	}
}

func TestConform_StartsAServerAgainThatItBroughtDown(t *testing.T) {
	t.Setenv(serveVariable, "frail")
	trestle(t, "", "conform", "--", os.Args[0]).wants(t, exitFailed,
		"FAIL broken-json (2025-11-25)", "ok   ping (2025-11-25)", "FAIL broken-json (2026-07-28)", "ok   result-type (2026-07-28)")
}

func TestVersion_IsTold(t *testing.T) {
	trestle(t, "", "--version").wants(t, exitOK, "trestle version ")
}
