package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// soakEnv says how long the soak takes: "10m".
const soakEnv = "TRESTLE_SOAK"

// A footprint is what a process holds when it is quiet.
type footprint struct{ goroutines, descriptors, heap int }

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %.2f MB heap", f.goroutines, f.descriptors, float64(f.heap)/1e6)
}

var (
	goroutinesIn = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapIn       = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

func (p *replicaProcess) footprint(t *testing.T) (f footprint) {
	t.Helper()
	number := func(re *regexp.Regexp, path string) int {
		_, body := fetch(t, p.admin+path)
		m := re.FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("%s: %.200q", path, body)
		}
		n, err := strconv.Atoi(m[1])
		mustAdd(t, err)
		return n
	}
	_, _ = fetch(t, p.admin+"/debug/pprof/heap?gc=1") // empties what pools keep for one collection
	f.heap = number(heapIn, "/debug/pprof/heap?gc=1&debug=1")
	f.goroutines = number(goroutinesIn, "/debug/pprof/goroutine?debug=1")
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	f.descriptors = len(open)
	return f
}

// soakRound loads p from many sides for d: sessions that come and go, calls of
// both eras, long ones, refused ones and ones whose client leaves.
func soakRound(t *testing.T, p *replicaProcess, d time.Duration) (calls int64) {
	t.Helper()
	stop := make(chan struct{})
	f := &fleet{t: t, url: p.url, stop: stop}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	all.Go(f.listener)
	for i := range 4 {
		all.Go(func() {
			for n := int64(0); !f.over(); n++ {
				f.session(client, "2025-11-25", i)
			}
		})
		all.Go(func() {
			pause := time.NewTicker(4 * time.Millisecond) // steady rather than as fast as it goes
			defer pause.Stop()
			for n := int64(1); !f.over(); n++ {
				<-pause.C
				f.post(client, echo(n, 0), http.StatusOK)
				if n%50 == 0 {
					f.post(client, `{"jsonrpc":"2.0","id":1,"id":2}`, http.StatusBadRequest)
					f.leave(client)
				}
			}
		})
	}
	<-time.After(d)
	close(stop)
	all.Wait()
	return f.calls.Load()
}

// session opens a session with its stream, makes some calls and closes it.
func (f *fleet) session(client *http.Client, version string, number int) {
	c, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(f.t.Context(),
		&mcp.StreamableClientTransport{Endpoint: f.url, HTTPClient: client}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		f.fail("opening a session: %v", err)
		return
	}
	for n := range 10 {
		ms := 0
		if n == 9 {
			ms = 20
		}
		if res, err := c.CallTool(f.t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: echoIn{N: int64(number), Ms: ms}}); err != nil || res.IsError {
			f.fail("a call: %v", err)
		}
		f.calls.Add(1)
	}
	if err := c.Close(); err != nil {
		f.fail("closing a session: %v", err)
	}
}

func (f *fleet) request(body string) *http.Request {
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url, bytes.NewReader([]byte(body)))
	if err != nil {
		f.t.Error(err)
	}
	for k, v := range modernHeader("tools/call", "echo") {
		req.Header.Set(k, v)
	}
	return req
}

func (f *fleet) post(client *http.Client, body string, want int) {
	res, err := client.Do(f.request(body))
	if err != nil {
		f.fail("a call: %v", err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode != want {
		f.fail("status %d, want %d", res.StatusCode, want)
	}
	f.calls.Add(1)
}

// leave makes a call and goes before its answer.
func (f *fleet) leave(client *http.Client) {
	impatient := *client
	impatient.Timeout = 5 * time.Millisecond
	if res, err := impatient.Do(f.request(echo(1, 500))); err == nil {
		_ = res.Body.Close()
	}
}

// A prober asks for readiness all the time, and notes how long that took.
type prober struct {
	took []time.Duration
	stop chan struct{}
	done chan struct{}
}

func probeAllTheTime(t *testing.T, p *replicaProcess) *prober {
	t.Helper()
	pr := &prober{stop: make(chan struct{}), done: make(chan struct{})}
	client := &http.Client{Transport: &http.Transport{}}
	go func() {
		defer close(pr.done)
		defer client.CloseIdleConnections()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			began := time.Now()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.admin+"/readyz", nil)
			var res *http.Response
			if err == nil {
				res, err = client.Do(req)
			}
			if err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("a probe: %v, %v", res, err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			pr.took = append(pr.took, time.Since(began))
			select {
			case <-pr.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return pr
}

func (pr *prober) end() (p50, p99, worst time.Duration) {
	close(pr.stop)
	<-pr.done
	slices.Sort(pr.took)
	n := len(pr.took)
	if n == 0 {
		return 0, 0, 0
	}
	return pr.took[n/2], pr.took[n*99/100], pr.took[n-1]
}

func TestSoak_NothingGrowsAndProbesStayFast(t *testing.T) {
	text := os.Getenv(soakEnv)
	if text == "" {
		t.Skip("set " + soakEnv + ", such as 10m; make soak does")
	}
	total, err := time.ParseDuration(text)
	mustAdd(t, err)
	p := spawn(t, replicaConfig{Wait: -1, Drain: 10 * time.Second, Pprof: true}).ready(t)
	const rounds = 6
	pr := probeAllTheTime(t, p)
	var first, last footprint
	var calls int64
	for i := range rounds {
		calls += soakRound(t, p, total/rounds)
		<-time.After(time.Second) // calls whose clients left end by themselves
		last = p.footprint(t)
		t.Logf("after round %d: %v", i+1, last)
		if i == 0 {
			first = last // pools and tables have their size
		}
	}
	p50, p99, worst := pr.end()
	t.Logf("%d calls; readiness p50 %v, p99 %v, worst %v", calls, p50, p99, worst)
	if last.goroutines > first.goroutines+5 {
		t.Errorf("goroutines grew from %v to %v", first, last)
	}
	if last.descriptors > first.descriptors+5 {
		t.Errorf("descriptors grew from %v to %v", first, last)
	}
	if last.heap > first.heap+first.heap/2+2<<20 {
		t.Errorf("memory grew from %v to %v", first, last)
	}
	// 1 ms is the aim. The machine may be busy with other things.
	if p50 > 20*time.Millisecond {
		t.Errorf("readiness took %v", p50)
	}
	if code, took := p.stop(t); code != 0 {
		t.Errorf("exit %d after %v", code, took)
	}
}
