package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInstall_AsksKeepsWhatWasThereAndItsOrder(t *testing.T) {
	t.Setenv(tokenVariable, "a-secret-token")
	dir := t.TempDir()
	file := filepath.Join(dir, "mcp.json")
	before := `{"z":1,"mcpServers":{"old":{"command":"x"}},"a":{"b":2}}`
	if err := os.WriteFile(file, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	args := []string{"install", "--host", "cursor", "--name", "my.server", "--file", file, "-H", "X-Team: one", "http://127.0.0.1:8080/mcp"}
	trestle(t, "n\n", args...).wants(t, exitFailed, "nothing was written")
	trestle(t, "", args...).wants(t, exitFailed, "nothing was written")
	if raw, _ := os.ReadFile(file); string(raw) != before {
		t.Errorf("written without a yes: %s", raw)
	}
	trestle(t, "y\n", args...).wants(t, exitOK, "Write it?", "what was there is in")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Servers map[string]map[string]any `json:"mcpServers"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.Servers["my.server"]["url"] != "http://127.0.0.1:8080/mcp" || got.Servers["old"]["command"] != "x" {
		t.Errorf("%s", raw)
	}
	if z, a := strings.Index(string(raw), `"z"`), strings.Index(string(raw), `"a"`); z < 0 || z > a {
		t.Errorf("another order: %s", raw)
	}
	if strings.Contains(string(raw), "a-secret-token") || !strings.Contains(string(raw), `"X-Team": "one"`) {
		t.Errorf("headers: %s", raw)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	backups, err := filepath.Glob(file + ".bak-*")
	if err != nil || len(backups) != 1 {
		t.Fatalf("backups %v, %v", backups, err)
	}
	if kept, _ := os.ReadFile(backups[0]); string(kept) != before {
		t.Errorf("the backup has %s", kept)
	}
}

func TestInstall_KnowsItsHosts(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	t.Chdir(home)
	for name, want := range map[string]string{
		"claude-desktop": `"mcpServers"`, "claude-code": `"type": "stdio"`, "cursor": `"mcpServers"`,
		"vscode": `"servers"`, "windsurf": `"mcpServers"`, "gemini-cli": `"mcpServers"`,
	} {
		trestle(t, "", "install", "--host", name, "--name", "s", "-y", "--", "serve", "-x").wants(t, exitOK)
		file, err := hosts[name].path()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(raw), want) || !strings.Contains(string(raw), `"command": "serve"`) {
			t.Errorf("%s: %v, %s", name, err, raw)
		}
		if !strings.HasPrefix(file, home) {
			t.Errorf("%s: %s", name, file)
		}
	}
	trestle(t, "", "install", "--host", "claude-desktop", "--name", "s", "-y", "http://127.0.0.1/").wants(t, exitUsage, "takes no URL")
	trestle(t, "", "install", "--host", "nosuch", "--name", "s", "http://127.0.0.1/").wants(t, exitUsage, "cursor")
	trestle(t, "", "install", "--host", "cursor", "http://127.0.0.1/").wants(t, exitUsage, "--name")
	trestle(t, "", "install", "--host", "cursor", "--name", "s", "--", "./nosuch").wants(t, exitUsage, "nosuch")
	if err := os.WriteFile("plain.json", []byte("{ // a comment\n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	trestle(t, "", "install", "--host", "cursor", "--name", "s", "--file", "plain.json", "-y", "http://127.0.0.1/").
		wants(t, exitFailed, "left alone", `"url": "http://127.0.0.1/"`)
}
