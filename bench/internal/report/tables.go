package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/trestle-mcp/trestle/bench/internal/measure"
	"github.com/trestle-mcp/trestle/bench/internal/stats"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// Headline writes the table for the README: the small call, where it was
// measured under the load that stands for all. Each figure is that of every era
// in turn.
func (r *Report) Headline(w io.Writer) {
	var eras []string
	var cells []map[string][]measure.Sample
	for _, e := range workload.Eras() {
		if c := r.cell(e, workload.Add, headConnections); c != nil {
			cells, eras = append(cells, c), append(eras, e.String())
		}
	}
	if len(cells) == 0 {
		return
	}
	head := fmt.Sprintf("`tools/call` on %d connections, %s", headConnections, strings.Join(eras, " / "))
	var rows [][]string
	for _, c := range r.Contenders {
		row := []string{c.label()}
		for _, text := range headlineColumns(c.Name) {
			var each []string
			for _, rounds := range cells {
				each = append(each, text(rounds))
			}
			row = append(row, strings.Join(each, " / "))
		}
		rows = append(rows, row)
	}
	table(w, []string{head, "CPU µs", "× floor", "calls/s", "p50 ms", "p99 ms", "allocs", "kB"}, rows)
}

func headlineColumns(name string) []func(map[string][]measure.Sample) string {
	column := func(metric func(measure.Sample) float64, format func(float64) string) func(map[string][]measure.Sample) string {
		return func(rounds map[string][]measure.Sample) string { return format(median(rounds[name], metric)) }
	}
	return []func(map[string][]measure.Sample) string{
		column(cpu, number),
		func(rounds map[string][]measure.Sample) string { return number(ratio(rounds, name, Floor, cpu)) },
		column(rate, number), column(p50, millis), column(p99, millis), column(allocs, number), column(alloc, kilo),
	}
}

// loads writes a table for each workload in each era.
func (r *Report) loads(w io.Writer) {
	for _, k := range r.Plan.Kinds {
		for _, e := range r.Plan.Eras {
			fmt.Fprintf(w, "### %s, %s\n\n", k.Title(), e)
			table(w, []string{
				"server", "connections", "CPU µs", "spread", "× floor", "× go-sdk", "× mcp-go",
				"calls/s", "p50 ms", "p99 ms", "allocs", "kB", "RSS MB",
			}, r.loadRows(k, e))
		}
	}
}

func (r *Report) loadRows(k workload.Kind, e workload.Era) (rows [][]string) {
	for _, n := range r.Plan.Connections {
		rounds := r.cell(e, k, n)
		for _, c := range r.Contenders {
			s := rounds[c.Name]
			rows = append(rows, []string{
				c.Label, strconv.Itoa(n), number(median(s, cpu)), percent(stats.Spread(pick(s, cpu))),
				number(ratio(rounds, c.Name, Floor, cpu)),
				number(ratio(rounds, c.Name, GoSDK, cpu)),
				number(ratio(rounds, c.Name, MCPGo, cpu)),
				number(median(s, rate)), millis(median(s, p50)), millis(median(s, p99)),
				number(median(s, allocs)), kilo(median(s, alloc)), mega(median(s, rss)),
			})
		}
	}
	return rows
}

// Metrics of sessions.
func handshakeCPU(s measure.SessionSample) float64 { return s.CPU }
func crowdP50(s measure.SessionSample) float64     { return s.P50 }
func crowdP99(s measure.SessionSample) float64     { return s.P99 }
func idleBytes(s measure.SessionSample) float64    { return s.Heap + s.Stack }

// sessions writes the table of legacy sessions.
func (r *Report) sessions(w io.Writer) {
	res := r.Results.Sessions
	if res == nil {
		return
	}
	fmt.Fprintf(w, "### %d legacy sessions\n\n", res.Sessions)
	var rows [][]string
	for _, c := range r.Contenders {
		s := res.Rounds[c.Name]
		kept := func(text string) string {
			if r.sessionless(c.Name) {
				return "–"
			}
			return text
		}
		rows = append(rows, []string{
			c.Label,
			number(median(s, handshakeCPU)),
			number(ratio(res.Rounds, c.Name, GoSDK, handshakeCPU)),
			number(median(s, func(s measure.SessionSample) float64 { return s.Allocs })),
			kilo(median(s, func(s measure.SessionSample) float64 { return s.AllocBytes })),
			kept(kilo(median(s, func(s measure.SessionSample) float64 { return s.Heap }))),
			kept(kilo(median(s, func(s measure.SessionSample) float64 { return s.Stack }))),
			kept(kilo(median(s, func(s measure.SessionSample) float64 { return s.RSS }))),
			kept(number(median(s, func(s measure.SessionSample) float64 { return s.Goroutines }))),
			millis(median(s, crowdP50)), millis(median(s, crowdP99)),
		})
	}
	table(w, []string{
		"server", "handshake: CPU µs", "× go-sdk", "allocs", "kB",
		"idle: heap kB", "stack kB", "RSS kB", "goroutines",
		fmt.Sprintf("`add` among them, %d connections: p50 ms", res.Connections), "p99 ms",
	}, rows)
}

func (r *Report) sessionless(name string) bool {
	for _, c := range r.Plan.Contenders {
		if c.Name == name {
			return c.Sessionless
		}
	}
	return false
}
