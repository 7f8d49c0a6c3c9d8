package yamldir_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/plugin/httptool"
	"github.com/trestle-mcp/trestle/plugin/yamldir"
)

func TestDir_AddsReplacesAndRemovesPlugins(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1"), "notes.txt", "x").open()
	h.serves("a 1.0.0 a1")
	h.write("b.yml", description("b", "1.0.0", "b1", "b2"))
	h.write("a.yaml", description("a", "1.1.0", "a1", "a2"))
	h.look(1)
	h.serves("a 1.0.0 a1")
	h.look(1)
	h.serves("a 1.1.0 a1,a2", "b 1.0.0 b1,b2")
	h.happened("replace a 1.1.0", "register b 1.0.0")
	h.remove("a.yaml")
	h.look(1)
	h.serves("a 1.1.0 a1,a2", "b 1.0.0 b1,b2")
	h.look(3)
	h.serves("b 1.0.0 b1,b2")
	h.happened("unregister a 1.1.0")
	h.wrong()
	if got, want := h.Stats(), (yamldir.Stats{Files: 1, Looks: 7, Changes: 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if told := h.log.count("a plugin's file was taken"); told != 3 { // but for those of the start
		t.Errorf("the log tells of %d", told)
	}
}

func TestDir_KeepsTheLastGoodFile(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1"), "b.yaml", description("b", "1.0.0", "b1")).open()
	h.write("a.yaml", description("a", "one", "a1", "a 2"))
	h.write("b.yaml", description("b", "2.0.0", "b1"))
	h.look(2 + 3*yamldir.RetryAfter)
	h.serves("a 1.0.0 a1", "b 2.0.0 b1")
	h.wrong("a.yaml:2: version: want a semantic version", "a.yaml:6: tools[1].name")
	if h.log.count("a plugin's file was refused; what it last said goes on") != 1 || h.Stats().Failing != 1 {
		t.Errorf("not told once: %s", h.log.buf.String())
	}
	h.write("a.yaml", description("a", "1.0.1", "a1"))
	h.look(2)
	h.serves("a 1.0.1 a1", "b 2.0.0 b1")
	h.wrong()
	h.write("a.yaml", "name: [")
	h.look(2)
	h.wrong("a.yaml")
	h.write("a.yaml", description("a", "1.0.1", "a1")) // as it is served
	h.look(2)
	h.wrong()
	h.happened("replace b 2.0.0", "replace a 1.0.1")
	h.write("a.yaml", "")
	h.look(2)
	h.serves("a 1.0.1 a1", "b 2.0.0 b1")
	h.wrong("a.yaml")
}

func TestDir_DoesNotTakeAFileThatIsBeingWritten(t *testing.T) {
	h := newHouse(t).open()
	whole := description("a", "1.0.0", "a1", "a2", "a3")
	f, err := os.Create(filepath.Join(h.dir, "a.yaml"))
	must(t, err)
	defer f.Close()
	lines := strings.SplitAfter(whole, "\n")
	for _, line := range lines[:len(lines)-1] {
		_, err := f.WriteString(line)
		must(t, err)
		h.look(1)
		h.serves()
	}
	h.wrong()
	h.look(1)
	h.serves("a 1.0.0 a1,a2,a3")
	h.happened("register a 1.0.0")
}

func TestDir_LooksPastWhatEditorsLeave(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1")).open()
	for _, name := range []string{".a.yaml.swp", "a.yaml~", "#a.yaml#", "4913", ".#a.yaml", ".hidden.yaml", "a.yaml.bak", "a.yaml.tmp"} {
		must(t, os.WriteFile(filepath.Join(h.dir, name), []byte(description("other", "1.0.0", "o")), 0o600))
	}
	must(t, os.Mkdir(filepath.Join(h.dir, "sub.yaml"), 0o700))
	h.look(3)
	h.serves("a 1.0.0 a1")
	h.wrong()
}

// Some editors move the old file away and write another.
func TestDir_DoesNotMindAFileThatIsAwayForAMoment(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1")).open()
	h.look(2)
	h.remove("a.yaml")
	h.look(1)
	h.write("a.yaml", description("a", "1.1.0", "a1"))
	h.look(2)
	h.happened("replace a 1.1.0")
	h.remove("a.yaml")
	h.look(1)
	h.write("a.yaml", description("a", "1.1.0", "a1"))
	h.look(3)
	h.happened()
}

// A ConfigMap is mounted as links into a directory that is a link, too.
func TestDir_FollowsAConfigMap(t *testing.T) {
	h := newHouse(t)
	mount := func(stamp string, files ...string) {
		data := filepath.Join(h.dir, "..2026_"+stamp)
		must(t, os.Mkdir(data, 0o700))
		for i := 0; i < len(files); i += 2 {
			must(t, os.WriteFile(filepath.Join(data, files[i]), []byte(files[i+1]), 0o600))
			link := filepath.Join(h.dir, files[i])
			if _, err := os.Lstat(link); err != nil {
				must(t, os.Symlink(filepath.Join("..data", files[i]), link))
			}
		}
		link := filepath.Join(h.dir, "..data")
		must(t, errors.Join(os.Symlink("..2026_"+stamp, link+"_tmp"), os.Rename(link+"_tmp", link)))
	}
	mount("1", "a.yaml", description("a", "1.0.0", "a1"), "b.yaml", description("b", "1.0.0", "b1"))
	h.open()
	h.serves("a 1.0.0 a1", "b 1.0.0 b1")
	mount("2", "a.yaml", description("a", "2.0.0", "a1"), "c.yaml", description("c", "1.0.0", "c1"))
	h.look(2)
	h.serves("a 2.0.0 a1", "c 1.0.0 c1")
	h.wrong() // b.yaml is a link to nothing
	h.happened("replace a 2.0.0", "unregister b 1.0.0", "register c 1.0.0")
}

func TestDir_RefusesWhatIsNoFile(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1")).open()
	must(t, syscall.Mkfifo(filepath.Join(h.dir, "pipe.yaml"), 0o600)) // to read it would wait for ever
	must(t, os.Symlink("/dev/zero", filepath.Join(h.dir, "zero.yaml")))
	must(t, os.Symlink("nowhere", filepath.Join(h.dir, "dangling.yaml")))
	h.write("large.yaml", strings.Repeat("#", 2<<20))
	h.look(2)
	h.serves("a 1.0.0 a1")
	h.wrong("pipe.yaml: not a regular file", "zero.yaml: not a regular file", "large.yaml: longer than")
	if err := h.Check(t.Context()); strings.Contains(err.Error(), "dangling") {
		t.Error(err)
	}
}

func TestDir_KeepsPluginsWhileTheDirectoryIsAway(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1")).open()
	must(t, os.Rename(h.dir, h.dir+".away"))
	h.look(4)
	h.serves("a 1.0.0 a1")
	h.wrong("no such file or directory")
	if h.log.count("cannot be read") != 1 {
		t.Errorf("not told once: %s", h.log.buf.String())
	}
	must(t, os.Rename(h.dir+".away", h.dir))
	h.look(2)
	h.wrong()
	h.happened()
}

func TestDir_ReplacesThePluginOfARenamedFile(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1")).open()
	must(t, os.Rename(filepath.Join(h.dir, "a.yaml"), filepath.Join(h.dir, "z.yaml")))
	h.write("z.yaml", description("a", "1.1.0", "a1"))
	h.look(2)
	h.serves("a 1.1.0 a1")
	h.happened("replace a 1.1.0")
	h.remove("z.yaml")
	h.look(2)
	h.serves()
}

func TestDir_GivesAFileAnotherPlugin(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "t1")).open()
	h.write("a.yaml", description("b", "1.0.0", "t2"))
	h.look(2)
	h.serves("b 1.0.0 t2")
	h.happened("register b 1.0.0", "unregister a 1.0.0")
	h.write("a.yaml", description("c", "1.0.0", "t2")) // a tool of the same name is in the way
	h.look(2)
	h.serves("c 1.0.0 t2")
	h.happened("failed register c 1.0.0", "unregister b 1.0.0", "register c 1.0.0")
	must(t, h.manager.Register(t.Context(), codePlugin{"code", "taken"}))
	h.write("a.yaml", description("d", "1.0.0", "t2", "taken"))
	h.look(2)
	h.serves("c 1.0.0 t2", "code 1.0.0 taken")
	h.wrong("taken is there already")
}

type codePlugin struct{ name, tool string }

func (p codePlugin) Name() string    { return p.name }
func (p codePlugin) Version() string { return "1.0.0" }
func (p codePlugin) Register(r *plugin.Registrar) error {
	return r.AddRawTool(&mcp.Tool{Name: p.tool, InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil })
}

func TestDir_LeavesPluginsAloneThatAreNotItsOwn(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1"))
	must(t, h.manager.Register(t.Context(), codePlugin{"code", "c1"}))
	h.open()
	h.write("b.yaml", description("code", "2.0.0", "c1"))
	h.write("c.yaml", description("a", "2.0.0", "a1"))
	h.look(2)
	h.serves("a 1.0.0 a1", "code 1.0.0 c1")
	h.wrong(`"code": registered already`, `c.yaml: the plugin "a" is that of a.yaml`)
	h.remove("b.yaml")
	h.remove("a.yaml")
	h.look(3)
	h.serves("a 2.0.0 a1", "code 1.0.0 c1")
	h.wrong()
}

func TestDir_MovesAToolFromOneFileToAnother(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "t1"), "b.yaml", description("b", "1.0.0", "t2", "t3")).open()
	h.write("a.yaml", description("a", "1.1.0", "t1", "t3"))
	h.write("b.yaml", description("b", "1.1.0", "t2"))
	h.look(2)
	h.serves("a 1.1.0 t1,t3", "b 1.1.0 t2")
	h.wrong()
}

func TestDir_TriesAgainWhatMayDoLater(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	h := newHouse(t).open()
	h.write("a.yaml", description("a", "1.0.0", "a1")+fmt.Sprintf("headers: [{name: X-Key, secret: {file: %q}}]\n", secret))
	h.look(2)
	h.wrong("a.yaml: httptool: a: headers[0].secret: stat")
	must(t, os.WriteFile(secret, []byte("s3cr3t-canary"), 0o600))
	h.look(yamldir.RetryAfter - 1)
	h.serves()
	h.look(1)
	h.serves("a 1.0.0 a1")
	h.wrong()
	if h.log.count("canary") != 0 {
		t.Error("the secret is in the log")
	}
}

func TestDir_PanicsOfAHookAreMistakesOfAFile(t *testing.T) {
	h := newHouse(t)
	h.options.HTTP.Allow = func(s *httptool.Spec) error {
		if s.Name == "bad" {
			panic("canary")
		}
		return nil
	}
	h.open()
	h.write("bad.yaml", description("bad", "1.0.0", "b1"))
	h.write("good.yaml", description("good", "1.0.0", "g1"))
	h.look(2)
	h.serves("good 1.0.0 g1")
	h.wrong("bad.yaml: the description makes the program panic")
}

func TestDir_UsesPluginsAsItIsTold(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "t"), "b.json", `{"name":"b","version":"1.0.0","base_url":"https://b.example","tools":[{"name":"t","description":"d"}]}`)
	h.options.Setup = func(p *httptool.Plugin) plugin.Setup { return plugin.Setup{Plugin: p, Prefix: p.Name() + "."} }
	h.open()
	h.serves("a 1.0.0 a.t", "b 1.0.0 b.t")
	h.write("a.yaml", description("a", "1.1.0", "t"))
	h.look(2)
	h.serves("a 1.1.0 a.t", "b 1.0.0 b.t")
}

func TestOpen_TakesAllOrNothing(t *testing.T) {
	for name, files := range map[string][]string{
		"a mistake":         {"a.yaml", description("a", "1.0.0", "a1"), "b.yaml", description("b", "1", "b1"), "c.yaml", "x"},
		"one tool twice":    {"a.yaml", description("a", "1.0.0", "t"), "b.yaml", description("b", "1.0.0", "t")},
		"one plugin twice":  {"a.yaml", description("a", "1.0.0", "t"), "b.yaml", description("a", "1.0.0", "u")},
		"no such directory": nil,
	} {
		h := newHouse(t, files...)
		if files == nil {
			h.dir = filepath.Join(h.dir, "none")
		}
		d, err := yamldir.Open(t.Context(), h.dir, h.manager, &h.options)
		if err == nil || d != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "a mistake" && (!strings.Contains(err.Error(), "b.yaml:2:") || !strings.Contains(err.Error(), "c.yaml:1:")) {
			t.Errorf("not all mistakes: %v", err)
		}
		h.serves()
	}
}

func TestDir_FollowsByItselfUntilItIsClosed(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1"))
	h.options.Interval = time.Millisecond
	h.open()
	h.write("a.yaml", description("a", "1.1.0", "a1"))
	deadline := time.After(20 * time.Second)
	for status, _ := h.manager.Status("a"); status.Version != "1.1.0"; status, _ = h.manager.Status("a") {
		tick := time.NewTimer(time.Millisecond)
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the change is never seen")
		}
	}
	must(t, errors.Join(h.Close(), h.Close()))
	h.write("a.yaml", description("a", "1.2.0", "a1"))
	h.serves("a 1.1.0 a1")
	must(t, h.Reload(t.Context()))
	h.serves("a 1.2.0 a1")
}

func TestDir_ReloadsAtOnce(t *testing.T) {
	h := newHouse(t, "a.yaml", description("a", "1.0.0", "a1")).open()
	h.write("a.yaml", description("a", "1.1.0", "a1"))
	must(t, h.Reload(t.Context()))
	h.serves("a 1.1.0 a1")
	h.write("a.yaml", "x")
	if err := h.Reload(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "a.yaml:1:") {
		t.Error(err)
	}
}
