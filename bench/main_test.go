package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/bench/internal/child"
	"github.com/trestle-mcp/trestle/bench/internal/contender/floor"
	"github.com/trestle-mcp/trestle/bench/internal/contender/gosdk"
	"github.com/trestle-mcp/trestle/bench/internal/contender/mcpgo"
	"github.com/trestle-mcp/trestle/bench/internal/contender/trestle"
	"github.com/trestle-mcp/trestle/bench/internal/measure"
	"github.com/trestle-mcp/trestle/bench/internal/report"
)

// childVariable makes this test program one of the contenders' programs.
const childVariable = "TRESTLE_BENCH_PROGRAM"

func TestMain(m *testing.M) {
	programs := map[string]child.Flags{
		"peers/floor": floor.Flags, "peers/gosdk": gosdk.Flags, "peers/mcpgo": mcpgo.Flags, "server": trestle.Flags,
	}
	if flags, ok := programs[os.Getenv(childVariable)]; ok {
		child.Main(flags)
		return
	}
	os.Exit(m.Run())
}

// launchSelf spares the test the building of four programs.
func launchSelf(_ context.Context, c contender) (measure.Command, error) {
	path, err := os.Executable()
	env := append(os.Environ(), childVariable+"="+c.program,
		"GORACE=atexit_sleep_ms=0") // else every child of a -race run takes a second to end
	return measure.Command{Path: path, Env: env}, err
}

func TestBench_QuickMeasuresEverythingAndWritesThePage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	var out, progress bytes.Buffer
	args := []string{"-quick", "-duration", "10ms", "-warmup", "5ms", "-sessions", "32", "-write", "-out", page}
	if err := run(t.Context(), args, &out, &progress, launchSelf); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	written, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"output": out.String(), "page": string(written)} {
		for _, want := range []string{
			"| `tools/call` on 16 connections, legacy / modern |",
			"### small `add` call, legacy", "### 4 KiB `echo`, modern", "### list of 200 tools, legacy", "### 32 legacy sessions",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s lacks %q", name, want)
			}
		}
		for _, c := range contenders() {
			if n := strings.Count(text, "\n| "+c.label); n != 8 { // the first table, six loads, sessions
				t.Errorf("the %s has %d rows for %s, want 8", name, n, c.label)
			}
		}
	}
	if !strings.Contains(string(written), report.EndTable) {
		t.Error("the page has no table for the README")
	}
}

func TestBench_AChildThatFailsIsReportedWithWhatItSaid(t *testing.T) {
	launch := func(ctx context.Context, c contender) (measure.Command, error) {
		command, err := launchSelf(ctx, c)
		command.Args = []string{"-bad-flag"}
		return command, err
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"-quick", "-contenders", "floor"}, &out, &out, launch)
	if err == nil || !strings.Contains(err.Error(), "floor") || !strings.Contains(err.Error(), "bad-flag") {
		t.Errorf("error %v", err)
	}
}

func TestOptions_RefuseWhatCannotBeMeasured(t *testing.T) {
	for _, args := range []string{
		"-contenders nobody", "-workloads nothing", "-era stone", "-connections 0", "-connections x", "-rounds 0",
		"-duration 0s", "-duration 1h", "-sessions -1", "more",
	} {
		if _, err := parseOptions(strings.Fields(args), &bytes.Buffer{}); err == nil {
			t.Errorf("%s: accepted", args)
		}
	}
	if _, err := parseOptions([]string{"-h"}, &bytes.Buffer{}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: error %v", err)
	}
}

func TestOptions_QuickYieldsToOtherFlags(t *testing.T) {
	o, err := parseOptions(strings.Fields("-rounds 4 -quick -connections 2,3 -workloads add"), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if p := o.plan; p.Rounds != 4 || len(p.Connections) != 2 || p.Duration >= 300e6 || p.Sessions != 0 || len(p.Kinds) != 1 {
		t.Errorf("plan %+v", p)
	}
}
