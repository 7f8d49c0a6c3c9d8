package plugin_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin"
)

// A diary notes in which order things happen.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.lines = nil }()
	return strings.Join(d.lines, ", ")
}

// noting returns a plugin with one tool of its name, that notes when it starts and
// stops.
func (d *diary) noting(name, version string, requires ...plugin.Requirement) *part {
	return &part{
		name: name, version: version, requires: requires, register: tools(name+" "+version, name),
		start: func(context.Context) error { d.note("+" + name); return nil },
		stop:  func(context.Context) error { d.note("-" + name); return nil },
	}
}

func on(name, versions string) plugin.Requirement {
	return plugin.Requirement{Name: name, Range: versions}
}

func TestManager_StartsWhatIsRequiredFirstAndStopsItLast(t *testing.T) {
	var d diary
	m, h := newManager(t, plugin.Options{})
	must(t, m.Register(t.Context(), d.noting("app", "1.0.0", on("cache", ""), on("db", "^1.2")), d.noting("cache", "1.0.0", on("db", "")), d.noting("db", "1.4.0")))
	if got := d.read(); got != "+db, +cache, +app" {
		t.Error(got)
	}
	if h.swaps != 1 || h.names() != "app cache db" {
		t.Errorf("%d changes of the host, to %s", h.swaps, h.names())
	}
	fails(t, m.Unregister(t.Context(), "db"), mcperrors.Conflict, "required by app, cache")
	must(t, m.Unregister(t.Context(), "db", plugin.Cascade))
	if got := d.read(); got != "-app, -cache, -db" {
		t.Error(got)
	}
	if h.swaps != 2 || h.names() != "" || len(m.List()) != 0 {
		t.Errorf("%d changes of the host, to %s; left are %v", h.swaps, h.names(), m.List())
	}
}

func TestManager_RefusesWhatDoesNotFitAndLeavesNothing(t *testing.T) {
	var d diary
	fails2 := errors.New("no disk")
	for name, c := range map[string]struct {
		add  []plugin.Plugin
		code mcperrors.Code
		says []string
	}{
		"a name that is taken":          {[]plugin.Plugin{d.noting("new", "1.0.0"), d.noting("there", "2.0.0")}, mcperrors.Conflict, []string{`"there": registered already`}},
		"the same twice":                {[]plugin.Plugin{d.noting("new", "1.0.0"), d.noting("new", "2.0.0")}, mcperrors.Conflict, []string{`"new": given twice`}},
		"a tool that is taken":          {[]plugin.Plugin{d.noting("new", "1.0.0"), &part{name: "other", version: "1.0.0", register: tools("", "there")}}, mcperrors.Conflict, []string{"there is there already"}},
		"what is not there":             {[]plugin.Plugin{d.noting("new", "1.0.0", on("absent", ""), on("missing", ""))}, mcperrors.Conflict, []string{`"absent", which is not registered`, `"missing"`}},
		"a version that will not do":    {[]plugin.Plugin{d.noting("new", "1.0.0", on("there", ">= 1.2, < 2"))}, mcperrors.Conflict, []string{`requires "there" >= 1.2, < 2, and there is 1.0.0`}},
		"what is disabled":              {[]plugin.Plugin{d.noting("new", "1.0.0", on("off", "")), plugin.Setup{Plugin: d.noting("off", "1.0.0"), Disabled: true}}, mcperrors.Conflict, []string{`"off", which is disabled`}},
		"those that require each other": {[]plugin.Plugin{d.noting("a", "1.0.0", on("b", "")), d.noting("b", "1.0.0", on("c", "")), d.noting("c", "1.0.0", on("a", ""))}, mcperrors.Conflict, []string{"a → b → c → a"}},
		"one that requires itself":      {[]plugin.Plugin{d.noting("a", "1.0.0", on("a", ""))}, mcperrors.Conflict, []string{"a → a"}},
		"no version":                    {[]plugin.Plugin{d.noting("new", "one")}, mcperrors.Validation, []string{`"one" is not a semantic version`}},
		"no range":                      {[]plugin.Plugin{d.noting("new", "1.0.0", on("there", "some"), on("", ""))}, mcperrors.Validation, []string{`"some" is not a range`, "has no name"}},
		"no name":                       {[]plugin.Plugin{d.noting("", "1.0.0"), d.noting("über", "1.0.0"), d.noting(strings.Repeat("x", 65), "1.0.0"), nil}, mcperrors.Validation, []string{"name: missing", "others than letters", "65 bytes", "nil plugin"}},
		"registered twice":              {[]plugin.Plugin{&part{name: "new", version: "1.0.0", register: tools("", "x", "y", "x")}}, mcperrors.Validation, []string{`tool "x": registered twice`}},
		"one that does not start": {[]plugin.Plugin{d.noting("a", "1.0.0"), &part{
			name: "b", version: "1.0.0",
			start: func(context.Context) error { return fails2 },
			stop:  func(context.Context) error { d.note("-b"); return nil },
		}}, mcperrors.Internal, []string{`plugin "b": Start: no disk`}},
	} {
		t.Run(name, func(t *testing.T) {
			m, h := newManager(t, plugin.Options{})
			must(t, m.Register(t.Context(), d.noting("there", "1.0.0")))
			before := m.Hash()
			d.read()
			fails(t, m.Register(t.Context(), c.add...), c.code, c.says...)
			if h.names() != "there" || len(m.List()) != 1 || m.Hash() != before {
				t.Errorf("left behind: %s, %v", h.names(), m.List())
			}
			started, stopped := 0, 0
			for line := range strings.SplitSeq(d.read(), ", ") {
				started += strings.Count(line, "+")
				stopped += strings.Count(strings.ReplaceAll(line, "-b", ""), "-")
			}
			if started != stopped {
				t.Errorf("%d started, %d stopped", started, stopped)
			}
		})
	}
}

func TestManager_StopsWhatItStartedWhenTheHostRefusesAtLast(t *testing.T) {
	var d diary
	m, h := newManager(t, plugin.Options{})
	h.refuse = errors.New("somebody else was faster")
	fails(t, m.Register(t.Context(), d.noting("a", "1.0.0"), d.noting("b", "1.0.0", on("a", ""))), mcperrors.Conflict, "faster")
	if got := d.read(); got != "+a, +b, -b, -a" || len(m.List()) != 0 {
		t.Error(got, m.List())
	}
}

func TestReplace_LetsRunningCallsEndInTheOldVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{})
		leave := make(chan struct{})
		var d diary
		old := d.noting("p", "1.0.0")
		old.register = func(r *plugin.Registrar) error {
			return add(r, "p", func(context.Context) (string, error) { <-leave; d.note("call"); return "old", nil })
		}
		must(t, m.Register(t.Context(), old))
		called := make(chan string, 1)
		go func() { text, _ := h.call(t.Context(), "p"); called <- text }()
		synctest.Wait()
		replaced := make(chan error, 1)
		go func() { replaced <- m.Replace(t.Context(), d.noting("p", "2.0.0")) }()
		synctest.Wait()
		if text, err := h.call(t.Context(), "p"); text != "p 2.0.0" || err != nil {
			t.Error("the next call:", text, err)
		}
		select {
		case err := <-replaced:
			t.Error(err, "it does not wait for the call")
		default:
		}
		close(leave)
		if text := <-called; text != "old" {
			t.Error("the running call:", text)
		}
		must(t, <-replaced)
		if got := d.read(); got != "+p, +p, call, -p" {
			t.Error(got)
		}
	})
}

func TestUnregister_CancelsCallsAtTheDeadlineAndLeavesThoseThatDoNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{DrainTimeout: time.Minute})
		leave := make(chan struct{})
		must(t, m.Register(t.Context(), &part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			return errors.Join(
				add(r, "obeys", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }),
				add(r, "stays", func(context.Context) (string, error) { <-leave; return "", nil }))
		}}))
		called := make(chan error, 2)
		for _, name := range []string{"obeys", "stays"} {
			go func() { _, err := h.call(t.Context(), name); called <- err }()
		}
		synctest.Wait()
		began := time.Now()
		must(t, m.Unregister(t.Context(), "p"))
		if took := time.Since(began); took != time.Minute+time.Second {
			t.Error("took", took)
		}
		fails(t, <-called, mcperrors.Unavailable)
		if s := m.Stats(); s.Canceled != 2 || s.Abandoned != 1 {
			t.Errorf("%+v", s)
		}
		close(leave)
		must(t, <-called)
	})
}

func TestUnregister_CancelsCallsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{})
		must(t, m.Register(t.Context(), &part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			return add(r, "p", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) })
		}}))
		called := make(chan error, 1)
		go func() { _, err := h.call(t.Context(), "p"); called <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		must(t, m.Unregister(ctx, "p"))
		fails(t, <-called, mcperrors.Unavailable)
	})
}

func TestReplace_KeepsTheOldVersionWhenTheOtherDoesNotDo(t *testing.T) {
	for name, c := range map[string]struct {
		p    plugin.Plugin
		says string
	}{
		"for those that require it": {&part{name: "db", version: "2.0.0"}, `"app": requires "db" ^1`},
		"because it does not start": {&part{name: "db", version: "1.1.0", start: func(context.Context) error { return errors.New("no disk") }}, "no disk"},
		"because it is disabled":    {plugin.Setup{Plugin: &part{name: "db", version: "1.1.0"}, Disabled: true}, "required by app"},
		"because of a cycle":        {&part{name: "db", version: "1.1.0", requires: []plugin.Requirement{on("app", "")}}, "require each other"},
		"because of a collision":    {&part{name: "db", version: "1.1.0", register: tools("", "app")}, "app is there already"},
		"because of its state": {&migrating{part{name: "db", version: "1.1.0"}, func(plugin.Plugin, string) error {
			return errors.New("cannot read it")
		}}, "Migrate: cannot read it"},
	} {
		t.Run(name, func(t *testing.T) {
			var d diary
			m, h := newManager(t, plugin.Options{})
			must(t, m.Register(t.Context(), d.noting("db", "1.0.0"), d.noting("app", "1.0.0", on("db", "^1"))))
			hash := m.Hash()
			err := m.Replace(t.Context(), c.p)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if text, err := h.call(t.Context(), "db"); text != "db 1.0.0" || err != nil {
				t.Error(text, err)
			}
			if got := d.read(); got != "+db, +app" || m.Hash() != hash {
				t.Error(got)
			}
		})
	}
	m, _ := newManager(t, plugin.Options{})
	fails(t, m.Replace(t.Context(), &part{name: "nobody", version: "1.0.0"}), mcperrors.NotFound)
}

type migrating struct {
	part
	migrate func(old plugin.Plugin, version string) error
}

func (p *migrating) Migrate(_ context.Context, old plugin.Plugin, version string) error {
	return p.migrate(old, version)
}

func TestMigrate_TakesOverTheStateBetweenTheLastCallAndTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{})
		var d diary
		leave := make(chan struct{})
		old := d.noting("p", "1.0.0")
		old.register = func(r *plugin.Registrar) error {
			return add(r, "p", func(context.Context) (string, error) { <-leave; d.note("call"); return "old", nil })
		}
		must(t, m.Register(t.Context(), old))
		for range 2 {
			go func() { _, _ = h.call(t.Context(), "p") }()
		}
		synctest.Wait()
		next := &migrating{*d.noting("p", "2.0.0"), func(from plugin.Plugin, version string) error {
			if from != plugin.Plugin(old) || version != "1.0.0" {
				t.Error(from, version)
			}
			d.note("migrate")
			return nil
		}}
		replaced := make(chan error, 1)
		go func() { replaced <- m.Replace(t.Context(), next) }()
		synctest.Wait()
		waiting := make(chan string, 1)
		go func() { text, _ := h.call(t.Context(), "p"); waiting <- text }()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.call(impatient, "p"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a call that does not want to wait:", err)
		}
		select {
		case text := <-waiting:
			t.Error("a call did not wait:", text)
		default:
		}
		close(leave)
		must(t, <-replaced)
		if text := <-waiting; text != "p 2.0.0" {
			t.Error("the waiting call:", text)
		}
		if got := d.read(); got != "+p, call, call, migrate, +p, -p" {
			t.Error(got)
		}
	})
}

func TestMigrate_LetsCallsGoOnInTheOldVersionAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{})
		must(t, m.Register(t.Context(), &part{name: "p", version: "1.0.0", register: tools("old", "p")}))
		decide := make(chan error)
		replaced := make(chan error, 1)
		go func() {
			replaced <- m.Replace(t.Context(), &migrating{part{name: "p", version: "2.0.0"}, func(plugin.Plugin, string) error { return <-decide }})
		}()
		synctest.Wait()
		called := make(chan string, 1)
		go func() { text, _ := h.call(t.Context(), "p"); called <- text }()
		synctest.Wait()
		decide <- errors.New("no")
		if text := <-called; text != "old" || <-replaced == nil {
			t.Error(text)
		}
	})
}

func TestDisable_StopsAndEnableStartsAgain(t *testing.T) {
	var d diary
	m, h := newManager(t, plugin.Options{})
	must(t, m.Register(t.Context(), d.noting("db", "1.0.0"), d.noting("app", "1.0.0", on("db", ""))))
	hash := m.Hash()
	fails(t, m.Disable(t.Context(), "db", "repairs"), mcperrors.Conflict, "required by app")
	must(t, m.Disable(t.Context(), "db", "repairs", plugin.Cascade))
	if s, _ := m.Status("db"); s.State != plugin.Disabled || s.Reason != "repairs" || h.names() != "" {
		t.Errorf("%+v, %s", s, h.names())
	}
	if s, _ := m.Status("app"); s.State != plugin.Disabled || s.Reason != `it requires "db"` {
		t.Errorf("%+v", s)
	}
	must(t, m.Check(t.Context()))
	fails(t, m.Enable(t.Context(), "app"), mcperrors.Conflict, `"db", which is disabled`)
	must(t, m.Enable(t.Context(), "db"))
	must(t, m.Enable(t.Context(), "db")) // nothing to do
	must(t, m.Enable(t.Context(), "app"))
	if got := d.read(); got != "+db, +app, -app, -db, +db, +app" {
		t.Error(got)
	}
	if text, err := h.call(t.Context(), "app"); text != "app 1.0.0" || err != nil || m.Hash() != hash {
		t.Error(text, err)
	}
	must(t, m.Disable(t.Context(), "app", ""))
	must(t, m.Replace(t.Context(), d.noting("app", "1.1.0", on("db", ""))))
	if stateOf(m, "app") != plugin.Disabled || h.names() != "db" {
		t.Error("replacing enables it")
	}
	fails(t, m.Enable(t.Context(), "nobody"), mcperrors.NotFound)
}

func TestManager_PrefixesNamesAndTellsWhatThereIs(t *testing.T) {
	m, h := newManager(t, plugin.Options{})
	p := &part{name: "p", version: "1.0.0", register: tools("hi", "b", "a")}
	must(t, m.Register(t.Context(), plugin.Setup{Plugin: p, Prefix: "x."}))
	must(t, m.Register(t.Context(), &part{name: "q", version: "1.0.0", register: tools("ho", "a")}))
	if text, err := h.call(t.Context(), "x.a"); text != "hi" || err != nil {
		t.Error(text, err)
	}
	s, ok := m.Status("p")
	if !ok || !slices.Equal(s.Tools, []string{"x.a", "x.b"}) || s.Prefix != "x." || s.Calls != 1 || s.Version != "1.0.0" {
		t.Errorf("%+v", s)
	}
	if _, ok := m.Status("nobody"); ok {
		t.Error("there is nobody")
	}
	if stats := m.Stats(); stats.Plugins != 2 || stats.Enabled != 2 || stats.Registered != 2 {
		t.Errorf("%+v", stats)
	}
}

func TestHash_IsOfWhatClientsGetAndCanBePinned(t *testing.T) {
	hash := func(plugins ...plugin.Plugin) string {
		m, _ := newManager(t, plugin.Options{})
		must(t, m.Register(t.Context(), plugins...))
		return m.Hash()
	}
	p := func(name, version string, names ...string) plugin.Plugin {
		return &part{name: name, version: version, register: tools("", names...)}
	}
	pinned := hash(p("a", "1.0.0", "x", "y"), p("b", "1.0.0"))
	if hash(p("b", "1.0.0"), p("a", "1.0.0", "y", "x")) != pinned {
		t.Error("the order matters")
	}
	for name, other := range map[string]string{
		"version": hash(p("a", "1.0.1", "x", "y"), p("b", "1.0.0")), "name": hash(p("a", "1.0.0", "x", "y"), p("c", "1.0.0")),
		"tools": hash(p("a", "1.0.0", "x", "z"), p("b", "1.0.0")), "less": hash(p("a", "1.0.0", "x", "y")),
		"prefix": hash(plugin.Setup{Plugin: p("a", "1.0.0", "x", "y"), Prefix: "p"}, p("b", "1.0.0")),
	} {
		if other == pinned {
			t.Errorf("%s does not matter", name)
		}
	}
	m, h := newManager(t, plugin.Options{Pin: pinned})
	fails(t, m.Register(t.Context(), p("a", "1.0.0", "x", "y")), mcperrors.Conflict, pinned)
	must(t, m.Register(t.Context(), p("a", "1.0.0", "x", "y"), p("b", "1.0.0")))
	fails(t, m.Replace(t.Context(), p("a", "1.0.1", "x", "y")), mcperrors.Conflict, pinned)
	fails(t, m.Unregister(t.Context(), "b"), mcperrors.Conflict, pinned)
	must(t, m.Replace(t.Context(), p("a", "1.0.0", "x", "y")))
	must(t, m.Disable(t.Context(), "b", ""))
	if h.names() != "x y" {
		t.Error(h.names())
	}
}

func TestManager_TellsEveryChange(t *testing.T) {
	var events []plugin.Event
	type key struct{}
	m, _ := newManager(t, plugin.Options{OnEvent: func(ctx context.Context, e plugin.Event) {
		if ctx.Value(key{}) != "who" && len(events) < 6 {
			t.Error("not the context of the change")
		}
		events = append(events, e)
		panic("nobody minds")
	}})
	ctx := context.WithValue(t.Context(), key{}, "who")
	must(t, m.Register(ctx, &part{name: "p", version: "1.0.0"}))
	must(t, m.Replace(ctx, &part{name: "p", version: "2.0.0", stop: func(context.Context) error { return errors.New("late") }}))
	must(t, m.Disable(ctx, "p", "repairs"))
	must(t, m.Enable(ctx, "p"))
	must(t, m.Unregister(ctx, "p"))
	if m.Unregister(ctx, "p") == nil {
		t.Error("twice")
	}
	var got []string
	for _, e := range events {
		text := string(e.Change) + " " + e.Plugin + " " + e.Version
		if e.Hash == "" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
		if e.From != "" {
			text += " from " + e.From
		}
		if e.Err != nil {
			text += ": " + e.Err.Error()
		}
		if e.Failed {
			text += " (failed)"
		}
		got = append(got, text+e.Reason)
	}
	want := []string{
		"register p 1.0.0", "replace p 2.0.0 from 1.0.0", `disable p 2.0.0: plugin "p": Stop: laterepairs`, "enable p 2.0.0",
		`unregister p 2.0.0: plugin "p": Stop: late`, `unregister p : not_found: plugin "p": not registered (failed)`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	s := m.Stats()
	if s.Registered != 1 || s.Replaced != 1 || s.DisabledTimes != 1 || s.EnabledTimes != 1 || s.Unregistered != 1 || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestClose_RemovesAllAndRefusesChanges(t *testing.T) {
	var d diary
	m, h := newManager(t, plugin.Options{})
	must(t, m.Register(t.Context(), d.noting("db", "1.0.0"), d.noting("app", "1.0.0", on("db", ""))))
	must(t, m.Close(t.Context()))
	if got := d.read(); got != "+db, +app, -app, -db" || h.names() != "" {
		t.Error(got, h.names())
	}
	must(t, m.Close(t.Context()))
	fails(t, m.Register(t.Context(), d.noting("x", "1.0.0")), mcperrors.Unavailable)
	fails(t, m.Unregister(t.Context(), "db"), mcperrors.Unavailable)
}

func TestManager_ChangesOfOthersDoNotWaitForOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := newManager(t, plugin.Options{})
		begin := make(chan struct{})
		slow := &part{name: "slow", version: "1.0.0", start: func(ctx context.Context) error { close(begin); <-ctx.Done(); return ctx.Err() }}
		registered := make(chan error, 1)
		go func() { registered <- m.Register(t.Context(), slow) }()
		<-begin
		began := time.Now()
		must(t, m.Register(t.Context(), &part{name: "quick", version: "1.0.0", register: tools("", "quick")}))
		if time.Since(began) != 0 || h.names() != "quick" {
			t.Error("it waited", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Register(ctx, &part{name: "slow", version: "1.0.0"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("the same name:", err)
		}
		if err := <-registered; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestNewManager_ReturnsAllMistakesInTheOptions(t *testing.T) {
	_, err := plugin.NewManager(&table{}, plugin.Options{HookTimeout: -1, CheckTimeout: -1, PanicWindow: -1, MinBackoff: time.Hour, MaxBackoff: time.Minute})
	for _, want := range []string{"HookTimeout", "CheckTimeout", "PanicWindow", "MaxBackoff"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// Calls begin while those that run are canceled. The race detector sees to the
// rest.
func TestUnregister_CancelsWhatBeginsMeanwhile(t *testing.T) {
	for range 20 {
		m, h := newManager(t, plugin.Options{DrainTimeout: -1})
		must(t, m.Register(t.Context(), &part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			return add(r, "p", func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() })
		}}))
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				_, err := h.call(t.Context(), "p")
				if code := mcperrors.CodeOf(err); code != mcperrors.Unavailable && code != mcperrors.NotFound {
					t.Error(err)
				}
			})
		}
		for s, _ := m.Status("p"); s.Running < 4; s, _ = m.Status("p") {
			runtime.Gosched()
		}
		must(t, m.Unregister(context.WithoutCancel(t.Context()), "p")) // no lock in common with those of the calls
		calls.Wait()
	}
}
