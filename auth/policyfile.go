package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// DefaultPolicyInterval is how often a file is looked at by default.
const DefaultPolicyInterval = 2 * time.Second

// PolicyFileOptions say how a [Policy] follows its file. The zero value is
// ready to use.
type PolicyFileOptions struct {
	// Interval is how often the file is looked at; what it holds is taken once
	// it was seen twice. Zero means 2 seconds; negative means that the file is
	// read once.
	Interval time.Duration
	// Hooks are those of the policy, which a file cannot have.
	Hooks []Hook
	// Kinds are kinds of your own that the file need not declare.
	Kinds []Kind
	// Logger is told at level info of each policy that was taken from the file,
	// and at level error of each that was not. Nil means no log.
	Logger *slog.Logger
}

// OpenPolicy returns the policy in a YAML file, see [ParsePolicy], and follows
// its changes until [Policy.Close]. What cannot be read, or has a mistake,
// changes nothing: the last good policy stays, as long as it takes. The first
// has to be good.
//
// A file that is being written is not taken before it stays the same for an
// interval, as half of it could grant more than the whole.
func OpenPolicy(path string, o PolicyFileOptions) (*Policy, error) {
	if o.Interval == 0 {
		o.Interval = DefaultPolicyInterval
	}
	o.Logger = loggerOr(o.Logger)
	text, err := readPolicyFile(path)
	if err != nil {
		return nil, fmt.Errorf("auth: policy: %w", err)
	}
	p := new(Policy)
	if err := p.take(text, &o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if o.Interval > 0 {
		p.watch = watchPolicy(p, path, text, o)
	}
	return p, nil
}

func (p *Policy) take(text []byte, o *PolicyFileOptions) error {
	spec, err := parsePolicy(text, o.Kinds)
	if err != nil {
		return err
	}
	spec.Hooks = o.Hooks
	return p.Replace(spec)
}

// readPolicyFile reads all of a file that is not too large.
func readPolicyFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPolicyFile+1))
	if err == nil && len(text) > maxPolicyFile {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxPolicyFile)
	}
	return text, err
}

// A policyWatch is the goroutine that follows a file. It compares what is in
// the file: times and sizes lie on some file systems, and a policy is small.
type policyWatch struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

func watchPolicy(p *Policy, path string, text []byte, o PolicyFileOptions) *policyWatch {
	ctx, stop := context.WithCancel(context.Background())
	w := &policyWatch{stop: stop}
	w.done.Go(func() {
		ticker := time.NewTicker(o.Interval)
		defer ticker.Stop()
		f := follower{policy: p, path: path, options: o, seen: text}
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				f.look()
			}
		}
	})
	return w
}

func (w *policyWatch) close() {
	w.stop()
	w.done.Wait()
}

// A follower knows what it saw last, so as to say each thing once.
type follower struct {
	policy  *Policy
	path    string
	options PolicyFileOptions
	seen    []byte // what was taken, or refused
	next    []byte // what is there since the last look
	failed  string // why the file could not be read the last time
}

func (f *follower) look() {
	log := f.options.Logger.With(slog.String("path", f.path))
	text, err := readPolicyFile(f.path)
	if err != nil {
		if why := err.Error(); why != f.failed {
			f.failed = why
			log.Error("the policy cannot be read; the last good one stays", slog.String("error", why))
		}
		return
	}
	f.failed = ""
	if bytes.Equal(text, f.seen) || !bytes.Equal(text, f.next) {
		f.next = text
		return
	}
	f.seen = text
	if err := f.policy.takeSafely(text, &f.options); err != nil {
		log.Error("the policy has mistakes; the last good one stays", slog.String("error", err.Error()))
		return
	}
	log.Info("the policy was reloaded")
}

// takeSafely keeps a panic, of the library that reads the file, from ending the
// process over a file that may be mended.
func (p *Policy) takeSafely(text []byte, o *PolicyFileOptions) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("the reader panicked")
		}
	}()
	return p.take(text, o)
}
