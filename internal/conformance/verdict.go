package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// check is one check of a checks.json.
type check struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	ErrorMessage string `json:"errorMessage"`
}

// tally counts the checks of a scenario by status.
type tally struct {
	passed, failed, warned, skipped int
	notes                           []string // a line for each failure and warning
}

func (t *tally) add(c check) {
	switch c.Status {
	case "SUCCESS":
		t.passed++
	case "WARNING":
		t.warned++
		t.notes = append(t.notes, fmt.Sprintf("warning: %s: %s", c.ID, c.ErrorMessage))
	case "SKIPPED":
		t.skipped++
	case "INFO":
	case "FAILURE":
		t.failed++
		t.notes = append(t.notes, fmt.Sprintf("FAILED: %s: %s", c.ID, c.ErrorMessage))
	default: // a status nobody knows must not pass
		t.failed++
		t.notes = append(t.notes, fmt.Sprintf("FAILED: %s: unknown status %q", c.ID, c.Status))
	}
}

// resultDir is the name of a result directory: "server-tools-list-2026-11-20T11-32-05-260Z".
var resultDir = regexp.MustCompile(`^server-(.+)-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d+Z$`)

// readResults reads every checks.json below dir, by scenario. A directory that
// does not exist holds no results.
func readResults(dir string) (map[string]*tally, error) {
	results := map[string]*tally{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || entry.Name() != "checks.json" {
			return nil
		}
		match := resultDir.FindStringSubmatch(filepath.Base(filepath.Dir(path)))
		if match == nil {
			return fmt.Errorf("%s: cannot tell its scenario", path)
		}
		raw, err := os.ReadFile(path) //nolint:gosec // found below the directory the caller gave
		if err != nil {
			return err
		}
		var checks []check
		if err := json.Unmarshal(raw, &checks); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		t := results[match[1]]
		if t == nil {
			t = &tally{}
			results[match[1]] = t
		}
		for _, c := range checks {
			t.add(c)
		}
		return nil
	})
	if os.IsNotExist(err) {
		return results, nil
	}
	return results, err
}

// judge returns what is wrong with a run; none is a pass.
func judge(req requirement, listed []string, results map[string]*tally, runErr error) []string {
	var problems []string
	passed := 0
	for _, name := range listed {
		t := results[name]
		switch {
		case t == nil:
			problems = append(problems, name+" left no result")
		case t.passed+t.failed+t.warned+t.skipped == 0:
			problems = append(problems, name+" checked nothing")
		case t.failed > 0:
			problems = append(problems, fmt.Sprintf("%s failed %d checks", name, t.failed))
		}
		if t != nil {
			passed += t.passed
		}
	}
	for name, t := range results {
		if t.failed > 0 && !slices.Contains(listed, name) {
			problems = append(problems, fmt.Sprintf("%s (not listed) failed %d checks", name, t.failed))
		}
	}
	if len(listed) < req.Scenarios {
		problems = append(problems, fmt.Sprintf("%d scenarios, required are %d", len(listed), req.Scenarios))
	}
	if passed < req.Passed {
		problems = append(problems, fmt.Sprintf("%d checks passed, required are %d", passed, req.Passed))
	}
	if runErr != nil && len(problems) == 0 {
		problems = append(problems, "the suite did not end well: "+runErr.Error())
	}
	return problems
}

// report prints a table of the scenarios and the totals of a run.
func report(w io.Writer, req requirement, listed []string, results map[string]*tally) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "passed\tfailed\twarned\tskipped\t  %s\n", req.Version)
	var total tally
	for _, name := range listed {
		t := results[name]
		if t == nil {
			fmt.Fprintf(table, "-\t-\t-\t-\t  %s: NO RESULT\n", name)
			continue
		}
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t  %s\n", t.passed, t.failed, t.warned, t.skipped, name)
		total.passed += t.passed
		total.failed += t.failed
		total.warned += t.warned
		total.skipped += t.skipped
		for _, note := range t.notes {
			total.notes = append(total.notes, name+": "+note)
		}
	}
	fmt.Fprintf(table, "%d\t%d\t%d\t%d\t  total of %d scenarios\n",
		total.passed, total.failed, total.warned, total.skipped, len(listed))
	_ = table.Flush()
	for _, note := range total.notes {
		fmt.Fprintln(w, strings.ReplaceAll(note, "\n", " "))
	}
	fmt.Fprintln(w)
}
