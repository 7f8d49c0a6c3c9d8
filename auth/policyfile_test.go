package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trestle-mcp/trestle/auth"
)

const goodPolicy = `# who may do what
roles:
  reader: [read:resources, execute:tools:echo]
  admin: ["*"]
  none:
scopes:
  notes:write:
    - "execute:tools:notes.*"
authenticated: [execute:tools:help]
anonymous: []
local: ["*"]
kinds: [invoices]
`

func TestParsePolicy_ReadsYAML(t *testing.T) {
	got, err := auth.ParsePolicy([]byte(goodPolicy))
	if err != nil {
		t.Fatal(err)
	}
	want := auth.PolicySpec{
		Roles:         map[string][]string{"reader": {"read:resources", "execute:tools:echo"}, "admin": {"*"}, "none": nil},
		Scopes:        map[string][]string{"notes:write": {"execute:tools:notes.*"}},
		Authenticated: []string{"execute:tools:help"},
		Local:         []string{"*"},
		Kinds:         []auth.Kind{"invoices"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := auth.NewPolicy(got); err != nil {
		t.Error(err)
	}
}

func TestParsePolicy_ReturnsEveryMistakeWithItsLine(t *testing.T) {
	_, err := auth.ParsePolicy([]byte(`roles:
  a: [read:resource, execute:tools:x]
  a: [execute:tools]
  b: execute:tools
  c: [1, true, [x], {y: z}]
  5: []
rules: []
scopes: [x]
anonymous: {x: y}
roles: {}
local: &all ["execute:tools"]
authenticated: !!seq [execute:tools]
kinds: [Big, tools]
`))
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, want := range []string{
		`line 2: permission "read:resource": no such kind`, `line 3: roles: "a" is there twice`, `line 4: roles "b": not a list`,
		`line 5: roles "c": an item that is no text`, `line 6: roles: a key that is no text`, `line 7: "rules": no such key`,
		`line 8: scopes: not a mapping`, `line 9: anonymous: not a list`, `line 10: the policy: "roles" is there twice`,
		`line 11: local: not a list`, `line 12: authenticated: not a list`, `line 13: kind "Big"`, `line 13: kind "tools"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in\n%v", want, err)
		}
	}
}

func TestParsePolicy_RefusesWhatIsNoPolicy(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "a comment": "# nothing\n", "a list": "- x\n", "a text": "x\n", "two documents": "roles: {}\n---\nroles: {}\n",
		"a tab": "roles:\n\tx: []\n", "cut off": "roles: {a: [execute:tools", "an alias": "roles:\n  a: &x [execute:tools]\n  b: *x\n",
		"a merge": "roles:\n  a: []\n  <<: {b: []}\n", "a star": "local: [*]\n", "not UTF-8": "roles: {a: [\xff]}\n", "large": strings.Repeat("#", 5<<20),
		"deep": "roles: " + strings.Repeat("[", 100_000), "a bomb": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n",
	} {
		if spec, err := auth.ParsePolicy([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, spec)
		} else if len(err.Error()) > 4<<10 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(goodPolicy))
	f.Add([]byte("roles: {a: [&x b, *x]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		spec, err := auth.ParsePolicy(text)
		if err != nil {
			return
		}
		p, err := auth.NewPolicy(spec)
		if err != nil {
			return // such as a scope that is none
		}
		p.Decide(t.Context(), known([]string{"reader"}, nil), do(auth.Execute, auth.Tools, "x"))
	})
}

// A lines is a log that a test reads while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

// write replaces a file at once.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenPolicy_FollowsItsFileAndKeepsTheLastGoodOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, "roles: {r: [execute:tools:a]}\n")
	var log lines
	p, err := auth.OpenPolicy(path, auth.PolicyFileOptions{
		Interval: time.Millisecond, Kinds: []auth.Kind{"invoices"}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Hooks: []auth.Hook{func(_ context.Context, _ *auth.Principal, a auth.Action) error {
			if a.Name == "never" {
				return errors.New("never")
			}
			return nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	may := func(tool string) bool {
		return p.Decide(t.Context(), known([]string{"r"}, nil), do(auth.Execute, auth.Tools, tool)).Allowed()
	}
	if !may("a") || may("b") {
		t.Fatal("the first policy does not count")
	}
	write(t, path, "roles: {r: [execute:tools:b, execute:tools:never, read:invoices]}\n")
	within(t, "the second policy counts", func() bool { return may("b") && log.count("was reloaded") == 1 })
	if may("a") || may("never") {
		t.Error("the first one still counts, or the hook does not")
	}
	write(t, path, "roles: {r: [execute:tool]}\n")
	within(t, "the mistake is told", func() bool { return log.count("has mistakes") == 1 })
	if !may("b") {
		t.Error("the last good policy is gone")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	within(t, "the loss is told", func() bool { return log.count("cannot be read") == 1 })
	write(t, path, "roles: {r: [execute:tools:c]}\n")
	within(t, "the third policy counts", func() bool { return may("c") && log.count("was reloaded") == 2 })
	if may("b") || log.count("has mistakes") != 1 || log.count("cannot be read") != 1 {
		t.Error("the old one counts, or something was told twice")
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	write(t, path, "roles: {r: [execute:tools:d]}\n")
	if !may("c") || may("d") {
		t.Error("a closed policy changed, or decides no more")
	}
}

func TestOpenPolicy_WantsAGoodOneAtFirst(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	write(t, bad, "roles: {r: [x]}\n")
	for _, path := range []string{bad, filepath.Join(dir, "none.yaml"), dir} {
		if p, err := auth.OpenPolicy(path, auth.PolicyFileOptions{}); err == nil || p != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOpenPolicy_ReadsOnceIfToldTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, path, "anonymous: [execute:tools:a]\n")
	p, err := auth.OpenPolicy(path, auth.PolicyFileOptions{Interval: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil || !p.Decide(t.Context(), nil, do(auth.Execute, auth.Tools, "a")).Allowed() {
		t.Error(err)
	}
}
