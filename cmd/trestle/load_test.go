package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoad_MeasuresAndReports(t *testing.T) {
	url := serve(t)
	file := filepath.Join(t.TempDir(), "report.html")
	trestle(t, "", "load", url, "say", "number={n}", "-n", "40", "-c", "4", "--html", file).
		wants(t, exitOK, "40 calls", "0 failed", "p99", "█")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "<rect", "<polyline", "40 calls", "p99.9"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	for _, never := range []string{"<script", `src="http`, `href="http`} {
		if strings.Contains(string(page), never) {
			t.Errorf("the report has %q", never)
		}
	}
	var got struct {
		Calls  int64
		Errors map[string]int64
	}
	r := trestle(t, "", "load", url, "refuse", "-n", "10", "--json", "--protocol", "2025-11-25")
	r.decode(t, &got)
	if r.code != exitFailed || got.Calls != 10 || got.Errors["conflict"] != 10 {
		t.Errorf("code %d, %+v", r.code, got)
	}
	trestle(t, "", "load", url, "say", "--args", `{"number":{n}}`, "-n", "1").wants(t, exitUsage, "JSON object")
	trestle(t, "", "load", url, "say", "--args", `{"text":"{n}"}`, "-n", "3").wants(t, exitOK, "3 calls")
	trestle(t, "", "load", url).wants(t, exitUsage, "and a tool")
	trestle(t, "", "load", "http://127.0.0.1:1/", "say", "-n", "1", "--protocol", "2025-11-25").wants(t, exitUnreachable)
}

// TestLoad_TheReportOpensInABrowser needs Chromium, such as Debian's package.
func TestLoad_TheReportOpensInABrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("TRESTLE_CI") != "" {
			t.Fatal("there is no chromium, and CI must not pass without it")
		}
		t.Skip("there is no chromium")
	}
	dir := t.TempDir()
	report, picture := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.png")
	trestle(t, "", "load", serve(t), "say", "number={n}", "-n", "200", "-c", "4", "--html", report).wants(t, exitOK)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--enable-logging=stderr", "--window-size=800,1200", "--screenshot="+picture, "file://"+report)
	said, err := browser.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if bytes.Contains(said, []byte("CONSOLE")) {
		t.Errorf("the console says:\n%s", said)
	}
	shot, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	if len(shot) < 10_000 { // an empty page is 4 kB
		t.Errorf("the picture has %d bytes: there are no plots on it", len(shot))
	}
	if keep := os.Getenv("TRESTLE_SCREENSHOT"); keep != "" {
		if err := os.WriteFile(keep, shot, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
