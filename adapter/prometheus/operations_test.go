package prometheus_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/trestle-mcp/trestle/adapter/prometheus"
	"github.com/trestle-mcp/trestle/plugin"
)

// labelsOf returns the labels of every metric there is.
func labelsOf(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	text := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for _, desc := range prometheus.Descriptions() {
		m := text.FindStringSubmatch(desc.String())
		if m == nil {
			t.Fatalf("not understood: %s", desc)
		}
		all[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
	}
	families, err := newMetrics(t, nil).Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if _, ok := all[f.GetName()]; !ok {
			all[f.GetName()] = nil
		}
	}
	for _, name := range []string{"_bucket", "_sum", "_count"} {
		all["trestle_call_duration_seconds"+name] = append(slices.Clone(all["trestle_call_duration_seconds"]), "le")
	}
	return all
}

var (
	metricName = regexp.MustCompile(`\b(trestle|go|process)_[a-z_]+\b`)
	selector   = regexp.MustCompile(`([a-z_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(=~|!=|!~|=)\s*"[^"]*"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// mistakes returns what is wrong with an expression: metrics that do not exist,
// labels that these do not have, brackets that do not match.
func mistakes(expr string, known map[string][]string) (found []string) {
	used := map[string]bool{"job": true, "instance": true}
	names := metricName.FindAllString(expr, -1)
	if len(names) == 0 {
		found = append(found, "no metric")
	}
	for _, name := range names {
		labels, ok := known[name]
		if !ok {
			found = append(found, "no metric "+name)
		}
		for _, l := range labels {
			used[l] = true
		}
	}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if m[1] != "job" && m[1] != "instance" && !slices.Contains(known[s[1]], m[1]) {
				found = append(found, s[1]+" has no label "+m[1])
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			if label = strings.TrimSpace(label); !used[label] {
				found = append(found, "by "+label)
			}
		}
	}
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(expr, pair[:1]) != strings.Count(expr, pair[1:]) {
			found = append(found, "brackets "+pair)
		}
	}
	return found
}

func TestDashboardAndAlerts_UseMetricsThatThereAre(t *testing.T) {
	known := labelsOf(t)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Type, Query string }
		}
	}
	raw, err := os.ReadFile("dashboard.json")
	if err == nil {
		err = json.Unmarshal(raw, &dashboard)
	}
	if err != nil {
		t.Fatal(err)
	}
	exprs, shown := map[string]string{}, map[string]bool{}
	for _, p := range dashboard.Panels {
		for i, target := range p.Targets {
			exprs[fmt.Sprintf("panel %q %d", p.Title, i)] = target.Expr
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				shown[strings.TrimSuffix(name, "_bucket")] = true
			}
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			exprs["variable "+v.Query] = v.Query
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For string
				Labels           map[string]string
				Annotations      map[string]string
			}
		}
	}
	raw, err = os.ReadFile("alerts.yaml")
	if err == nil {
		err = yaml.Unmarshal(raw, &rules)
	}
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts++
			exprs["alert "+r.Alert] = r.Expr
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("alert %q lacks a severity or a summary", r.Alert)
			}
		}
	}
	if len(dashboard.Panels) < 20 || alerts < 10 {
		t.Fatalf("%d panels, %d alerts", len(dashboard.Panels), alerts)
	}
	for _, where := range slices.Sorted(maps.Keys(exprs)) {
		for _, m := range mistakes(exprs[where], known) {
			t.Errorf("%s: %s", where, m)
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "trestle_") && !shown[name] && !shown[strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")] &&
			!shown[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestAlerts_NameStatesThatPluginsHave(t *testing.T) {
	states := []string{string(plugin.Enabled), string(plugin.Disabled), string(plugin.Tripped), string(plugin.Waiting)}
	raw, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`trestle_plugin_state\{state=~?"([^"]+)"`).FindAllStringSubmatch(string(raw), -1)
	if len(found) == 0 {
		t.Fatal("no alert on the state of plugins")
	}
	for _, m := range found {
		for state := range strings.SplitSeq(m[1], "|") {
			if !slices.Contains(states, state) {
				t.Errorf("no plugin is ever %q", state)
			}
		}
	}
}

func TestMistakes_AreFound(t *testing.T) {
	known := map[string][]string{"trestle_x_total": {"code"}}
	for expr, n := range map[string]int{
		`sum by (code) (rate(trestle_x_total{code="a",job="b"}[5m]))`: 0,
		`trestle_y_total`:                  1,
		`trestle_x_total{kode="a"}`:        1,
		`sum by (kode) (trestle_x_total)`:  1,
		`sum by (code) (trestle_x_total))`: 1,
		`up == 0`:                          1,
	} {
		if got := mistakes(expr, known); len(got) != n {
			t.Errorf("%s: %v", expr, got)
		}
	}
}
