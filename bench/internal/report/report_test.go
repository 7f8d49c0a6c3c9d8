package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/measure"
	"github.com/trestle-mcp/trestle/bench/internal/report"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

func samples(cpu ...float64) (s []measure.Sample) {
	for _, c := range cpu {
		s = append(s, measure.Sample{CPU: c, Rate: 50_000, P50: 200, P99: 1500, Allocs: 48, AllocBytes: 4400, RSS: 14e6})
	}
	return s
}

func newReport() *report.Report {
	contenders := []report.Contender{
		{Name: report.Floor, Label: "the floor"},
		{Name: report.GoSDK, Label: "go-sdk", Version: "v1.8.0"},
		{Name: report.Production, Label: "Trestle"},
	}
	session := func(heap, cpu, p99 float64) []measure.SessionSample {
		return []measure.SessionSample{{Heap: heap, Stack: 2000, CPU: cpu, P99: p99}}
	}
	return &report.Report{
		Contenders: contenders, GoVersion: "go1.26.0", Platform: "linux/amd64", CPUs: 2,
		Plan: &measure.Plan{
			Contenders:  []measure.Contender{{Name: report.Floor, Sessionless: true}},
			Eras:        []workload.Era{workload.Modern},
			Kinds:       []workload.Kind{workload.Add},
			Connections: []int{16}, Rounds: 3, Duration: time.Second, Warmup: time.Second,
		},
		Results: &measure.Results{
			Cells: []measure.CellResult{{
				Cell: measure.Cell{Era: workload.Modern, Kind: workload.Add, Connections: 16},
				Rounds: map[string][]measure.Sample{
					report.Floor:      samples(20, 40, 20),
					report.GoSDK:      samples(400, 800, 400),
					report.Production: samples(22, 44, 30),
				},
			}},
			Sessions: &measure.SessionResult{Sessions: 320, Connections: 256, Rounds: map[string][]measure.SessionSample{
				report.Floor:      session(1, 40, 1000),
				report.GoSDK:      session(5000, 300, 9000),
				report.Production: session(7000, 90, 1900),
			}},
		},
	}
}

func TestReport_HasTheTableForTheREADMEBetweenMarkers(t *testing.T) {
	var b strings.Builder
	newReport().Document(&b)
	_, rest, begins := strings.Cut(b.String(), report.BeginTable)
	got, _, ends := strings.Cut(rest, report.EndTable)
	want := "\n| `tools/call` on 16 connections, modern | CPU µs | × floor | calls/s | p50 ms | p99 ms | allocs | kB |\n" +
		"|---|---:|---:|---:|---:|---:|---:|---:|\n" +
		"| the floor | 20.0 | 1.00 | 50000 | 0.20 | 1.50 | 48.0 | 4.40 |\n" +
		"| go-sdk v1.8.0 | 400 | 20.0 | 50000 | 0.20 | 1.50 | 48.0 | 4.40 |\n" +
		"| Trestle | 30.0 | 1.10 | 50000 | 0.20 | 1.50 | 48.0 | 4.40 |\n\n"
	if !begins || !ends || got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestReport_SaysWhichPromisesAreHeld(t *testing.T) {
	var b strings.Builder
	newReport().Tables(&b)
	for _, want := range []string{
		"| small call, modern: × floor | ≤ 1.25 | 1.10 | yes |",
		"| small call, modern: × go-sdk | ≤ 0.06 | 0.06 | yes |",
		"| small call, modern: allocations | ≤ 60.0 | 48.0 | yes |",
		"| idle legacy session, kB of heap and stack | ≤ 6.00 | 9.00 | **no** |",
		"| initialize and initialized: × go-sdk | ≤ 0.33 | 0.30 | yes |",
		"| 256 connections among 320 idle sessions: p99 × floor | ≤ 2.00 | 1.90 | yes |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %s", want)
		}
	}
	for _, without := range []string{"legacy: × floor", "echo, modern: × floor", "× mcp-go | ≤"} {
		if strings.Contains(b.String(), without) {
			t.Errorf("says %q, which was not measured", without)
		}
	}
}

func TestReport_ThatMeasuredLittleHasNoEmptyParts(t *testing.T) {
	r := newReport()
	r.Results = &measure.Results{}
	r.Plan.Kinds = nil
	var b strings.Builder
	r.Tables(&b)
	if got := b.String(); strings.Contains(got, "|") || strings.Contains(got, "held to") {
		t.Errorf("got %s", got)
	}
}
