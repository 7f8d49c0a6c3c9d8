package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
)

// A host is a program that uses MCP servers, and how its configuration is written.
type host struct {
	path func() (string, error)
	key  string // of the object that holds the servers
	// typed hosts want to be told how a server is spoken to.
	typed bool
	// remote is the key of a server's URL; "" for hosts that start commands only.
	remote string
}

// hosts are the hosts by name, with the places that their documentation gives.
var hosts = map[string]host{
	"claude-desktop": {path: inConfig("Claude", "claude_desktop_config.json"), key: "mcpServers"},
	"claude-code":    {path: inProject(".mcp.json"), key: "mcpServers", typed: true, remote: "url"},
	"cursor":         {path: inHome(".cursor", "mcp.json"), key: "mcpServers", remote: "url"},
	"vscode":         {path: inProject(".vscode", "mcp.json"), key: "servers", typed: true, remote: "url"},
	"windsurf":       {path: inHome(".codeium", "windsurf", "mcp_config.json"), key: "mcpServers", remote: "serverUrl"},
	"gemini-cli":     {path: inHome(".gemini", "settings.json"), key: "mcpServers", remote: "httpUrl"},
}

func inHome(parts ...string) func() (string, error) {
	return func() (string, error) {
		home, err := os.UserHomeDir()
		return filepath.Join(append([]string{home}, parts...)...), err
	}
}

// inConfig is below the directory for the configuration of programs.
func inConfig(parts ...string) func() (string, error) {
	return func() (string, error) {
		dir, err := os.UserConfigDir()
		return filepath.Join(append([]string{dir}, parts...)...), err
	}
}

// inProject is below the working directory.
func inProject(parts ...string) func() (string, error) {
	return func() (string, error) { return filepath.Abs(filepath.Join(parts...)) }
}

// entry is how the host's configuration names a server.
func (h host) entry(t target, f targetFlags) ([]byte, error) {
	e := map[string]any{}
	if t.url == "" {
		program, err := program(t.command[0])
		if err != nil {
			return nil, err
		}
		e["command"] = program
		if len(t.command) > 1 {
			e["args"] = t.command[1:]
		}
		if h.typed {
			e["type"] = "stdio"
		}
		return json.MarshalIndent(e, "  ", "  ")
	}
	if h.remote == "" {
		return nil, usage("this host starts commands; it takes no URL in its file")
	}
	e[h.remote] = t.url
	if h.typed {
		e["type"] = "http"
	}
	if len(f.headers) > 0 {
		header, err := targetFlags{headers: f.headers}.onlyGiven()
		if err != nil {
			return nil, err
		}
		e["headers"] = header
	}
	return json.MarshalIndent(e, "  ", "  ")
}

// onlyGiven returns the headers of the command line, without a token of the
// environment, which does not belong into a file.
func (f targetFlags) onlyGiven() (map[string]string, error) {
	given, err := f.parsed()
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name := range given {
		all[name] = given.Get(name)
	}
	return all, nil
}

// program returns the path by which a host, which runs elsewhere, finds a
// program that is named by a path.
func program(name string) (string, error) {
	if filepath.Base(name) == name {
		return name, nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", usage("%w", err)
	case info.IsDir() || (runtime.GOOS != "windows" && info.Mode()&0o111 == 0):
		return "", usage("%s is no program", path)
	}
	return path, nil
}
