package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A balancer spreads requests over the backends whose probes say that they are
// ready, in turn. It tries another one only if a backend cannot have served the
// request: it did not accept, or it refused retryably.
type balancer struct {
	t       *testing.T
	proxy   httputil.ReverseProxy
	next    atomic.Uint64
	retried atomic.Int64

	mu       sync.Mutex
	backends []*backend
}

type backend struct {
	url       *url.URL
	admin     string
	transport *http.Transport
	gone      context.CancelFunc
	ended     chan struct{}
	quiet     chan struct{} // closed when it was ready, is not, and all that it was sent has left

	mu     sync.Mutex
	ready  bool
	unsent int
}

// set notes what a probe said.
func (k *backend) set(ready bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.ready
	k.ready = ready
	if was && !ready && k.unsent == 0 {
		k.beQuiet()
	}
}

func (k *backend) beQuiet() {
	select {
	case <-k.quiet:
	default:
		close(k.quiet)
	}
}

// take reports whether a request may be sent to k; then sent is due.
func (k *backend) take() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ready {
		k.unsent++
	}
	return k.ready
}

func (k *backend) sent() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unsent--; k.unsent == 0 && !k.ready {
		k.beQuiet()
	}
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{t: t}
	b.proxy = httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {}, // RoundTrip does it, for each try
		Transport:     b,
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				t.Logf("%s %s: %v", r.Method, r.Header.Get("Mcp-Method"), err)
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		},
	}
	return b
}

// probeEvery is how often readiness is looked at.
const probeEvery = 10 * time.Millisecond

func (b *balancer) add(p *replicaProcess) *backend {
	u, err := url.Parse(p.url)
	mustAdd(b.t, err)
	ctx, cancel := context.WithCancel(b.t.Context())
	k := &backend{url: u, admin: p.admin, transport: &http.Transport{MaxIdleConnsPerHost: 64}, gone: cancel, ended: make(chan struct{}), quiet: make(chan struct{})}
	first := make(chan struct{})
	go func() {
		defer close(k.ended)
		k.probe(ctx, sync.OnceFunc(func() { close(first) }))
	}()
	<-first
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = append(b.backends, k)
	return k
}

func (b *balancer) remove(k *backend) {
	k.gone()
	<-k.ended
	k.transport.CloseIdleConnections()
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := make([]*backend, 0, len(b.backends))
	for _, other := range b.backends {
		if other != k {
			kept = append(kept, other)
		}
	}
	b.backends = kept
}

func (k *backend) probe(ctx context.Context, ready func()) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		status := 0
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.admin+"/readyz", nil)
		if err == nil {
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
				status = res.StatusCode
			}
		}
		k.set(status == http.StatusOK)
		if status == http.StatusOK {
			ready()
		}
		select {
		case <-ctx.Done():
			ready()
			return
		case <-tick.C:
		}
	}
}

// pick returns the backends to try, the next one first.
func (b *balancer) pick() []*backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	turn := int(b.next.Add(1))
	var out []*backend
	for i := range b.backends {
		out = append(out, b.backends[(turn+i)%len(b.backends)])
	}
	return out
}

var errNobody = errors.New("no backend is ready")

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil { // the proxy takes it away where there is none
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	err := errNobody
	for _, k := range b.pick() {
		if !k.take() {
			continue
		}
		sent := sync.OnceFunc(k.sent)
		out := r.Clone(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { sent() },
		}))
		out.URL.Scheme, out.URL.Host, out.Host = k.url.Scheme, k.url.Host, ""
		// With GetBody net/http tries again by itself what an idle connection,
		// closed at that moment, cannot have carried.
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Body, _ = out.GetBody()
		out.ContentLength = int64(len(body))
		var res *http.Response
		res, err = k.transport.RoundTrip(out)
		sent()
		var dial *net.OpError
		switch {
		case errors.As(err, &dial) && dial.Op == "dial":
		case err == nil && res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
			body, _ := io.ReadAll(res.Body)
			err = errors.New("a backend refused: " + string(body))
			_ = res.Body.Close()
		default:
			return res, err
		}
		b.retried.Add(1)
	}
	return nil, err
}
