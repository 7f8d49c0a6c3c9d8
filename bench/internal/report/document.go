package report

import (
	_ "embed" // for the method
	"fmt"
	"io"
	"strings"
)

// Markers stand around the table that the README repeats.
const (
	BeginTable = "<!-- begin: table of the README, written by go run ./bench -write -->"
	EndTable   = "<!-- end: table of the README -->"
)

//go:embed method.md
var method string

// Tables writes all that was measured.
func (r *Report) Tables(w io.Writer) {
	r.Headline(w)
	r.bars(w)
	r.sections(w)
}

func (r *Report) sections(w io.Writer) {
	fmt.Fprint(w, "## All loads\n\n")
	r.loads(w)
	r.sessions(w)
}

// Document writes the page for docs/benchmarks.md.
func (r *Report) Document(w io.Writer) {
	fmt.Fprint(w, "# Benchmarks\n\n"+
		"Written by `go run ./bench -write`; do not edit. What the columns mean is under [Method](#method).\n\n"+
		"**The absolute figures are those of one machine on one day, and depend on it; other work on that machine shows\n"+
		"in them. The ratios are of servers that took turns there, and are what counts.**\n\n")
	fmt.Fprintf(w, "%s\n", BeginTable)
	r.Headline(w)
	fmt.Fprintf(w, "%s\n\n", EndTable)
	r.bars(w)
	r.sections(w)
	fmt.Fprintf(w, "%s\n", strings.TrimSpace(method))
	r.circumstances(w)
}

func (r *Report) circumstances(w io.Writer) {
	fmt.Fprintf(w, "\n## This run\n\n- %s on %s, %d CPUs shared by the client and the server.\n", r.GoVersion, r.Platform, r.CPUs)
	for _, c := range r.Contenders {
		if c.Version != "" {
			fmt.Fprintf(w, "- %s: %s.\n", c.Label, c.Version)
		}
	}
	fmt.Fprintf(w, "- %d rounds of %v for each server under each load, after %v of warm-up.\n",
		r.Plan.Rounds, r.Plan.Duration, r.Plan.Warmup)
}
