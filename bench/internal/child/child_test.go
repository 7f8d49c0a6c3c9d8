package child_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/bench/internal/child"
)

func flags(*flag.FlagSet) func() (http.Handler, error) {
	return func() (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }), nil
	}
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v", url, res.StatusCode, err)
	}
	return data
}

func TestRun_ServesAndTellsItsUsageUntilItsInputEnds(t *testing.T) {
	stdin, input := io.Pipe()
	output, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- child.Run(t.Context(), []string{"-control", "127.0.0.1:0"}, stdin, stdout, flags)
		stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	urls := map[string]string{}
	for range 2 {
		lines.Scan()
		for _, prefix := range []string{child.ReadyPrefix, child.ControlPrefix} {
			if u, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				urls[prefix] = u
			}
		}
	}
	if got := get(t, urls[child.ReadyPrefix]); string(got) != "served" {
		t.Errorf("got %q", got)
	}
	for _, query := range []string{"", "?gc"} {
		var u child.Usage
		if err := json.Unmarshal(get(t, urls[child.ControlPrefix]+query), &u); err != nil {
			t.Fatal(err)
		}
		if u.CPU <= 0 || u.Allocs == 0 || u.AllocBytes == 0 || u.Heap == 0 || u.Stack == 0 || u.Goroutines == 0 {
			t.Errorf("usage %+v", u)
		}
	}
	input.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRun_WithoutControlEndsWithItsContextOnly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- child.Run(ctx, nil, strings.NewReader(""), stdout, flags) }()
	lines := bufio.NewScanner(output)
	lines.Scan()
	u, ok := strings.CutPrefix(lines.Text(), child.ReadyPrefix)
	if !ok {
		t.Fatalf("first line %q", lines.Text())
	}
	get(t, u) // though its input has ended
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRun_RefusesAControlEndpointBeyondLoopback(t *testing.T) {
	err := child.Run(t.Context(), []string{"-control", "0.0.0.0:0"}, strings.NewReader(""), io.Discard, flags)
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("error %v", err)
	}
}
