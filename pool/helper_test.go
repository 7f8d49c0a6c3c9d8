package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/pool"
)

var errDown = errors.New("backend is down")

// A backend makes numbered resources, as told.
type backend struct {
	mu        sync.Mutex
	made      int
	calls     int
	destroyed []int
	invalid   map[int]bool
	validated int
	fail      error         // of Create
	hang      chan struct{} // Create and Validate wait for it, deaf to their contexts
	reports   []error
}

func (b *backend) create(context.Context) (int, error) {
	b.mu.Lock()
	b.calls++
	hang, err := b.hang, b.fail
	b.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made++
	return b.made, nil
}

func (b *backend) validate(_ context.Context, v int) error {
	b.mu.Lock()
	b.validated++
	hang := b.hang
	b.mu.Unlock()
	if hang != nil {
		<-hang
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.invalid[v] {
		return errDown
	}
	return nil
}

func (b *backend) destroy(_ context.Context, v int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.destroyed = append(b.destroyed, v)
	return nil
}

func (b *backend) report(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reports = append(b.reports, err)
}

func (b *backend) set(fn func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fn()
}

// ended returns what was destroyed.
func (b *backend) ended() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.destroyed)
}

// kept is how many resources were made and not destroyed.
func (b *backend) kept() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.made - len(b.destroyed)
}

// reported returns the reports of a kind.
func reported[E error](b *backend) (found []E) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, err := range b.reports {
		if e, ok := errors.AsType[E](err); ok {
			found = append(found, e)
		}
	}
	return found
}

// open makes a pool of b that the test closes.
func (b *backend) open(t *testing.T, cfg pool.Config[int]) *pool.Pool[int] {
	t.Helper()
	if cfg.Create == nil {
		cfg.Create = b.create
	}
	if cfg.Validate == nil {
		cfg.Validate = b.validate
	}
	if cfg.Destroy == nil {
		cfg.Destroy = b.destroy
	}
	cfg.Name, cfg.Report = "test", b.report
	p, err := pool.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustClose(t *testing.T, p interface{ Close(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

func acquire(t *testing.T, p *pool.Pool[int]) pool.Lease[int] {
	t.Helper()
	lease, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	return lease
}

func value(t *testing.T, lease interface{ Value() (int, error) }) int {
	t.Helper()
	v, err := lease.Value()
	if err != nil {
		t.Fatalf("Value: %v", err)
	}
	return v
}

// pass lets virtual time pass, and what is due then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// borrowed is the number of the resource that is lent next.
func borrowed(t *testing.T, p *pool.Pool[int]) int {
	t.Helper()
	lease := acquire(t, p)
	defer lease.Release()
	return value(t, lease)
}

func wantCode(t *testing.T, err error, want mcperrors.Code) mcperrors.Error {
	t.Helper()
	if got := mcperrors.CodeOf(err); got != want {
		t.Fatalf("code %q, want %q, of %v", got, want, err)
	}
	return *mcperrors.From(err)
}
