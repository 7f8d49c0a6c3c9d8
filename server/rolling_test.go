package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A fleet is what the clients of the rolling restarts share.
type fleet struct {
	t       *testing.T
	url     string
	stop    <-chan struct{} // closed when clients are to end
	calls   atomic.Int64
	long    atomic.Int64
	streams atomic.Int64
	failed  atomic.Int64
}

func (f *fleet) fail(format string, args ...any) {
	if f.failed.Add(1) <= 10 {
		f.t.Errorf(format, args...)
	}
}

func (f *fleet) over() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// longCall is how long a long call takes: several of the balancer's probes.
const longCall = 250 * time.Millisecond

// caller calls without pause, with go-sdk's client, till the end. Every answer
// must be the one to its question.
func (f *fleet) caller(version string, number int64, ms int) {
	ctx := f.t.Context()
	c, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(ctx,
		// go-sdk's client gives up a session after so many ends of its stream.
		&mcp.StreamableClientTransport{Endpoint: f.url, MaxRetries: 1 << 20}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		f.fail("%s client %d: %v", version, number, err)
		return
	}
	defer c.Close()
	for n := number << 32; !f.over(); n++ {
		res, err := c.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: echoIn{N: n, Ms: ms}})
		var out echoOut
		if err == nil && !res.IsError {
			var data []byte
			if data, err = json.Marshal(res.StructuredContent); err == nil {
				err = json.Unmarshal(data, &out)
			}
		}
		if err != nil || res.IsError || out.N != n {
			f.fail("%s client %d: %v, %+v", version, number, err, res)
			if err != nil {
				return // a session that broke only fails again
			}
		}
		f.calls.Add(1)
		if ms > 0 {
			f.long.Add(1)
		}
	}
}

// listener keeps a modern subscription open, and counts how often it came to
// its end with a result: one that is cut is lost.
func (f *fleet) listener() {
	const body = `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},` + modernMeta + `}}`
	for !f.over() {
		ctx, cancel := context.WithCancel(f.t.Context())
		finished := make(chan struct{})
		go func() {
			select {
			case <-f.stop:
				cancel()
			case <-finished:
			}
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(body))
		if err != nil {
			f.fail("%v", err)
			return
		}
		for k, v := range modernHeader("subscriptions/listen", "") {
			req.Header.Set(k, v)
		}
		if err := readListen(req); err != nil && !f.over() {
			f.fail("a subscription: %v", err)
		}
		f.streams.Add(1)
		close(finished)
		cancel()
	}
}

func readListen(req *http.Request) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		return fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	lines := bufio.NewReader(res.Body)
	acknowledged, result := false, false
	for {
		line, err := lines.ReadString('\n')
		acknowledged = acknowledged || strings.Contains(line, "acknowledged")
		result = result || strings.Contains(line, `"id":"l"`)
		if err != nil {
			if err != io.EOF || !acknowledged || !result {
				return fmt.Errorf("cut: %w (acknowledged %t, result %t)", err, acknowledged, result)
			}
			return nil
		}
	}
}

// restarts is how many the test makes: all that are promised in CI.
func restarts() int {
	switch {
	case os.Getenv("TRESTLE_CI") != "":
		return 100
	case testing.Short():
		return 3
	}
	return 9
}

func TestRollingRestarts_LoseNoCallAndNoAnswer(t *testing.T) {
	const replicas, drainWait = 3, 200 * time.Millisecond
	// A busy machine may take longer to notice than any wait that a test can afford.
	config := replicaConfig{Wait: drainWait, Drain: 20 * time.Second, Sessions: serveSessions(t), Noticed: true}
	lb := newBalancer(t)
	web := httptest.NewServer(&lb.proxy)
	t.Cleanup(web.Close)

	type running struct {
		*replicaProcess
		*backend
	}
	up := func() running {
		p := spawn(t, config).ready(t)
		return running{p, lb.add(p)}
	}
	all := make([]running, replicas)
	for i := range all {
		all[i] = up()
	}

	stop := make(chan struct{})
	f := &fleet{t: t, url: web.URL + "/mcp", stop: stop}
	var clients sync.WaitGroup
	for i := range int64(50) {
		version, ms := "2025-11-25", 0
		if i%2 == 1 {
			version = "2026-07-28"
		}
		if i%5 < 2 { // of both eras
			ms = int(longCall.Milliseconds())
		}
		clients.Go(func() { f.caller(version, i, ms) })
	}
	for range 5 {
		clients.Go(f.listener)
	}

	began := time.Now()
	n, slowest := restarts(), time.Duration(0)
	done := 0
	for ; done < n && f.failed.Load() == 0; done++ {
		if time.Since(began) > 150*time.Second { // a machine too busy to say anything
			break
		}
		i := done % replicas
		before := f.calls.Load()
		noticed, stdin := all[i].backend, all[i].stdin
		go func() {
			<-noticed.quiet
			_, _ = io.WriteString(stdin, "noticed\n") // it may have ended
		}()
		code, took := all[i].stop(t)
		if code != 0 {
			t.Errorf("restart %d: exit %d", done, code)
		}
		if took > all[i].limit+30*time.Second {
			t.Errorf("restart %d: the end took %v, with a limit of %v", done, took, all[i].limit)
		}
		slowest = max(slowest, took)
		lb.remove(all[i].backend)
		all[i] = up()
		for f.calls.Load() < before+50 && f.failed.Load() == 0 {
			<-time.After(time.Millisecond) // every restart is under load
		}
	}
	close(stop)
	clients.Wait()
	t.Logf("%d restarts in %v: %d calls, %d of them of %v, %d subscriptions; %d failed; %d tried at another replica; the slowest end %v of %v",
		done, time.Since(began).Round(time.Millisecond), f.calls.Load(), f.long.Load(), longCall, f.streams.Load(), f.failed.Load(),
		lb.retried.Load(), slowest.Round(time.Millisecond), all[0].limit)
	if done < min(n, 3) || f.long.Load() == 0 || f.streams.Load() == 0 {
		t.Error("too little happened to show anything")
	}
	for _, r := range all {
		_, _ = io.WriteString(r.stdin, "noticed\n")
		lb.remove(r.backend)
		if code, _ := r.stop(t); code != 0 {
			t.Errorf("the last stop: exit %d", code)
		}
	}
}
