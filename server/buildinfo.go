package server

import (
	"encoding/json"
	"net/http"
	"time"
)

// buildInfo answers what runs here, and since when.
func (s *Server) buildInfo() http.Handler {
	started := time.Now()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, err := json.MarshalIndent(struct {
			Info
			Started time.Time `json:"started"`
		}{s.Info(), started}, "", "  ")
		if err != nil {
			http.Error(w, "no build information", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // a reader that went away wants no more
	})
}
