package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/trestle-mcp/trestle/internal/load"
)

//go:embed load.html
var loadPage string

// A page is a load report as load.html shows it. It needs nothing but itself:
// the plots are drawn here, and there is no script.
type page struct {
	URL, Tool string
	When      string
	*load.Report
	Codes   []codeCount
	Bars    []rect
	Figures []figure
	Rates   plot
	Delays  plot
}

type codeCount struct {
	Code  string
	Calls int64
}

// A rect is one bar of the histogram.
type rect struct {
	X, Y, W, H float64
	Label      string // under some of them
	Title      string
}

// A figure is one number of the summary.
type figure struct{ Name, Value string }

// A plot is lines over the seconds of a run.
type plot struct {
	Lines []line
	Top   string // what the upper edge stands for
	Right string // what the right edge stands for
}

type line struct{ Name, Class, Points string }

const plotWidth, plotHeight = 640.0, 200.0

// writeHTML writes the report as a page to a file.
func writeHTML(file, url, tool string, r *load.Report) error {
	t, err := template.New("load").Parse(loadPage)
	if err != nil {
		return err
	}
	p := page{
		URL: url, Tool: tool, When: time.Now().UTC().Format("2006-01-02 15:04 MST"), Report: r,
		Bars: bars(r.Histogram), Rates: rates(r.Seconds), Delays: delays(r.Seconds),
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"mean", r.Mean}, {"p50", r.P50}, {"p90", r.P90}, {"p99", r.P99}, {"p99.9", r.P999}, {"max", r.Max}} {
		p.Figures = append(p.Figures, figure{f.name, f.d.Round(rounding(f.d)).String()})
	}
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		p.Codes = append(p.Codes, codeCount{code, r.Errors[code]})
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // the user's own file
	if err != nil {
		return err
	}
	if err := t.Execute(out, p); err != nil {
		_ = out.Close() // the first error is told
		return err
	}
	return out.Close()
}

func bars(buckets []load.Bucket) []rect {
	var most int64
	for _, b := range buckets {
		most = max(most, b.Calls)
	}
	width := plotWidth / float64(max(len(buckets), 1))
	all := make([]rect, 0, len(buckets))
	for i, b := range buckets {
		height := plotHeight * float64(b.Calls) / float64(max(most, 1))
		upTo := b.UpTo.Round(rounding(b.UpTo)).String()
		r := rect{X: float64(i)*width + 1, Y: plotHeight - height, W: width - 2, H: height, Title: fmt.Sprintf("≤ %s: %d calls", upTo, b.Calls)}
		if i%max(len(buckets)/8, 1) == 0 {
			r.Label = "≤ " + upTo
		}
		all = append(all, r)
	}
	return all
}

func rates(seconds []load.Second) plot {
	return lines(seconds, func(v float64) string { return fmt.Sprintf("%.0f a second", v) },
		series{"calls", "calls", func(s load.Second) float64 { return float64(s.Calls) }},
		series{"failed", "failed", func(s load.Second) float64 { return float64(s.Failed) }})
}

func delays(seconds []load.Second) plot {
	return lines(seconds, func(v float64) string { return time.Duration(v).Round(rounding(time.Duration(v))).String() },
		series{"p50", "p50", func(s load.Second) float64 { return float64(s.P50) }},
		series{"p99", "p99", func(s load.Second) float64 { return float64(s.P99) }})
}

type series struct {
	name, class string
	of          func(load.Second) float64
}

// lines draws several series with one scale.
func lines(seconds []load.Second, scale func(float64) string, all ...series) plot {
	top := 1.0
	for _, s := range seconds {
		for _, l := range all {
			top = max(top, l.of(s))
		}
	}
	p := plot{Top: scale(top), Right: fmt.Sprintf("%d s", len(seconds))}
	step := plotWidth / float64(max(len(seconds)-1, 1))
	for _, l := range all {
		var points strings.Builder
		for i, s := range seconds {
			fmt.Fprintf(&points, "%.1f,%.1f ", float64(i)*step, plotHeight-plotHeight*l.of(s)/top)
		}
		if len(seconds) == 1 { // a line needs two points
			fmt.Fprintf(&points, "%.1f,%.1f", plotWidth, plotHeight-plotHeight*l.of(seconds[0])/top)
		}
		p.Lines = append(p.Lines, line{l.name, l.class, strings.TrimSpace(points.String())})
	}
	return p
}
