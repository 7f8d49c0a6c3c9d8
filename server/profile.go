package server

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"
)

const (
	defaultProfile = 30 * time.Second
	maxProfile     = 2 * time.Minute
	writeSlack     = 30 * time.Second
)

// profiles serves what go tool pprof and go tool trace ask for. It is not
// net/http/pprof, because to import that opens profiles to whoever reaches the
// process's default mux.
func profiles() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch name := strings.TrimPrefix(r.URL.Path, "/debug/pprof/"); name {
		case "":
			listProfiles(w)
		case "profile":
			record(w, r, func() error { return pprof.StartCPUProfile(w) }, pprof.StopCPUProfile)
		case "trace":
			record(w, r, func() error { return trace.Start(w) }, trace.Stop)
		default:
			lookUp(w, r, name)
		}
	})
}

func listProfiles(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, p := range pprof.Profiles() {
		_, _ = fmt.Fprintf(w, "%s %d\n", p.Name(), p.Count())
	}
	_, _ = fmt.Fprint(w, "profile ?seconds=30\ntrace ?seconds=30\n")
}

// lookUp writes a profile of the present moment.
func lookUp(w http.ResponseWriter, r *http.Request, name string) {
	p := pprof.Lookup(name)
	if p == nil {
		http.Error(w, "no such profile", http.StatusNotFound)
		return
	}
	level, _ := strconv.Atoi(r.FormValue("debug"))
	if collect, _ := strconv.Atoi(r.FormValue("gc")); collect > 0 {
		runtime.GC()
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if level > 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	_ = p.WriteTo(w, level) // a client that left
}

// record writes what happens from start to stop, for ?seconds.
func record(w http.ResponseWriter, r *http.Request, start func() error, stop func()) {
	d := defaultProfile
	if text := r.FormValue("seconds"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds > 0 && seconds <= maxProfile.Seconds()) { // NaN is neither
			http.Error(w, "seconds: a number up to "+strconv.Itoa(int(maxProfile.Seconds())), http.StatusBadRequest)
			return
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := start(); err != nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.Error(w, "somebody else records: "+err.Error(), http.StatusConflict)
		return
	}
	defer stop()
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	<-ctx.Done()
}
