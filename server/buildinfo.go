package server

import (
	"encoding/json"
	"net/http"
	"runtime/debug"
	"time"
)

// buildInfo answers what runs here.
func (s *Server) buildInfo() http.Handler {
	started := time.Now()
	info := struct {
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		Go       string    `json:"go,omitempty"`
		Module   string    `json:"module,omitempty"`
		Revision string    `json:"revision,omitempty"`
		Time     string    `json:"time,omitempty"`     // of the revision
		Modified bool      `json:"modified,omitempty"` // since the revision
		Started  time.Time `json:"started"`
	}{Name: s.name, Version: s.version, Started: started}
	if build, ok := debug.ReadBuildInfo(); ok {
		info.Go, info.Module = build.GoVersion, build.Main.Path
		for _, set := range build.Settings {
			switch set.Key {
			case "vcs.revision":
				info.Revision = set.Value
			case "vcs.time":
				info.Time = set.Value
			case "vcs.modified":
				info.Modified = set.Value == "true"
			}
		}
	}
	body, err := json.MarshalIndent(&info, "", "  ")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			http.Error(w, "no build information", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n'))
	})
}
