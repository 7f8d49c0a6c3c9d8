package server

import (
	"context"
	"encoding/json"
	"runtime/debug"

	"github.com/trestle-mcp/trestle/plugin"
)

// InfoURI is the resource of [Options.InfoResource].
const InfoURI = "trestle://info"

// Info is what the resource [InfoURI] holds, as JSON: the server's name and version,
// its plugins and how the program was built. It has nothing of
// why a plugin is not enabled: that may be what an error says.
type Info struct {
	Name    string       `json:"name"`
	Version string       `json:"version"`
	Title   string       `json:"title,omitempty"`
	Plugins []PluginInfo `json:"plugins"`
	// PluginsHash is [plugin.Manager.Hash].
	PluginsHash string    `json:"pluginsHash"`
	Build       BuildInfo `json:"build"`
}

// PluginInfo is a plugin in [Info].
type PluginInfo struct {
	Name     string           `json:"name"`
	Version  string           `json:"version"`
	State    plugin.State     `json:"state"`
	Hash     string           `json:"hash"`
	Toolsets []plugin.Toolset `json:"toolsets,omitempty"`
}

// BuildInfo is how the program was built, as far as the Go tool noted it.
type BuildInfo struct {
	Go       string `json:"go,omitempty"`
	Module   string `json:"module,omitempty"`
	Version  string `json:"version,omitempty"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified,omitempty"` // since the revision
}

// Info returns what runs here now.
func (s *Server) Info() Info {
	info := Info{
		Name: s.name, Version: s.version, Title: s.opts.Title, PluginsHash: s.plugins.Hash(), Build: builtFrom(),
		Plugins: []PluginInfo{},
	}
	for _, p := range s.plugins.List() {
		info.Plugins = append(info.Plugins, PluginInfo{p.Name, p.Version, p.State, p.Hash, p.Toolsets})
	}
	return info
}

func builtFrom() BuildInfo {
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return BuildInfo{}
	}
	b := BuildInfo{Go: built.GoVersion, Module: built.Main.Path, Version: built.Main.Version}
	for _, s := range built.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (s *Server) addInfo() error {
	if !s.opts.InfoResource {
		return nil
	}
	return AddResource(s, Resource{
		URI: InfoURI, Name: "info", Title: "What runs here", MIMEType: "application/json",
		Description: "The server's name and version, its plugins and how it was built.",
	}, func(context.Context) (string, error) {
		text, err := json.Marshal(s.Info())
		return string(text), err
	})
}
