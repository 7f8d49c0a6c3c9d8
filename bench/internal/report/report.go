// Package report writes what was measured as Markdown.
package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/trestle-mcp/trestle/bench/internal/measure"
	"github.com/trestle-mcp/trestle/bench/internal/stats"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// A Contender is what a row of the tables is about.
type Contender struct {
	Name    string // as in the results
	Label   string // for people
	Version string // of the library; may be empty
}

// Names of the contenders that others are compared with or held to a bar.
const (
	Floor      = "floor"
	GoSDK      = "go-sdk"
	MCPGo      = "mcp-go"
	Bare       = "bare"
	Production = "production"
)

// A Report is what was measured, and under which circumstances.
type Report struct {
	Contenders []Contender
	Results    *measure.Results
	Plan       *measure.Plan

	GoVersion string // such as go1.26.0
	Platform  string // such as linux/amd64
	CPUs      int
}

// headConnections is the load that stands for all in the first table.
const headConnections = 16

// Metrics, in the order of the tables.
func cpu(s measure.Sample) float64    { return s.CPU }
func rate(s measure.Sample) float64   { return s.Rate }
func p50(s measure.Sample) float64    { return s.P50 }
func p99(s measure.Sample) float64    { return s.P99 }
func allocs(s measure.Sample) float64 { return s.Allocs }
func alloc(s measure.Sample) float64  { return s.AllocBytes }
func rss(s measure.Sample) float64    { return s.RSS }

func pick[S any](rounds []S, metric func(S) float64) []float64 {
	values := make([]float64, len(rounds))
	for i, s := range rounds {
		values[i] = metric(s)
	}
	return values
}

func median[S any](rounds []S, metric func(S) float64) float64 {
	return stats.Median(pick(rounds, metric))
}

// ratio compares two contenders round by round.
func ratio[S any](rounds map[string][]S, a, b string, metric func(S) float64) float64 {
	return stats.Ratio(pick(rounds[a], metric), pick(rounds[b], metric))
}

// cell returns the rounds under one load; none if it was not measured.
func (r *Report) cell(e workload.Era, k workload.Kind, connections int) map[string][]measure.Sample {
	for _, c := range r.Results.Cells {
		if c.Cell == (measure.Cell{Era: e, Kind: k, Connections: connections}) {
			return c.Rounds
		}
	}
	return nil
}

// label returns what people read; the names of others than Trestle get their
// version.
func (c Contender) label() string {
	return strings.TrimSpace(c.Label + " " + c.Version)
}

// table writes a Markdown table; the first column is text, all others are
// numbers.
func table(w io.Writer, head []string, rows [][]string) {
	fmt.Fprintf(w, "| %s |\n|---|%s\n", strings.Join(head, " | "), strings.Repeat("---:|", len(head)-1))
	for _, row := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(w)
}

// number writes v with three digits that count, "–" for what was not measured.
func number(v float64) string {
	switch {
	case v == 0:
		return "–"
	case math.Abs(v) >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func kilo(v float64) string   { return number(v / 1e3) }
func mega(v float64) string   { return number(v / 1e6) }
func millis(v float64) string { return number(v / 1e3) } // of µs

func percent(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}
