package report

import (
	"fmt"
	"io"

	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// bar is something that Trestle promises. got is 0 if it was not measured.
type bar struct {
	what string
	must float64
	got  float64
}

// bars writes what Trestle's whole production stack is held to.
func (r *Report) bars(w io.Writer) {
	var rows [][]string
	for _, b := range append(r.callBars(), r.sessionBars()...) {
		if b.got == 0 {
			continue
		}
		verdict := "yes"
		if b.got > b.must {
			verdict = "**no**"
		}
		rows = append(rows, []string{b.what, "≤ " + number(b.must), number(b.got), verdict})
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(w, "## What it is held to\n\n"+
		"Trestle with its whole production stack; ratios are of CPU time unless they say otherwise.\n\n")
	table(w, []string{"what", "must", "measured", "held"}, rows)
}

func (r *Report) callBars() (bars []bar) {
	for _, e := range workload.Eras() {
		add := r.cell(e, workload.Add, headConnections)
		echo := r.cell(e, workload.Echo, headConnections)
		list := r.cell(e, workload.List, headConnections)
		sdk := [...]float64{0.08, 0.06}[e]
		peer := [...]float64{0.55, 0.3}[e]
		bars = append(
			bars,
			bar{"small call, " + e.String() + ": × floor", 1.25, ratio(add, Production, Floor, cpu)},
			bar{"small call, " + e.String() + ": × go-sdk", sdk, ratio(add, Production, GoSDK, cpu)},
			bar{"small call, " + e.String() + ": × mcp-go", peer, ratio(add, Production, MCPGo, cpu)},
			bar{"small call, " + e.String() + ": allocations", 60, median(add[Production], allocs)},
			bar{"small call, " + e.String() + ": kB allocated", 5, median(add[Production], alloc) / 1e3},
			bar{"4 KiB echo, " + e.String() + ": × floor", 1.1, ratio(echo, Production, Floor, cpu)},
			bar{"list, " + e.String() + ": × floor", 0.3, ratio(list, Production, Floor, cpu)},
		)
	}
	return bars
}

func (r *Report) sessionBars() []bar {
	res := r.Results.Sessions
	if res == nil {
		return nil
	}
	return []bar{
		{"idle legacy session, kB of heap and stack", 6, median(res.Rounds[Production], idleBytes) / 1e3},
		{"initialize and initialized: × go-sdk", 1.0 / 3, ratio(res.Rounds, Production, GoSDK, handshakeCPU)},
		{
			fmt.Sprintf("%d connections among %d idle sessions: p99 × floor", res.Connections, res.Sessions),
			2, ratio(res.Rounds, Production, Floor, crowdP99),
		},
	}
}
