package main

import (
	"errors"
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	ok := func() *tally { return &tally{passed: 2} }
	for name, tt := range map[string]struct {
		listed  []string
		results map[string]*tally
		runErr  error
		want    []string
	}{
		"all pass":       {[]string{"a"}, map[string]*tally{"a": ok()}, nil, nil},
		"warnings pass":  {[]string{"a"}, map[string]*tally{"a": {passed: 2, warned: 1}}, nil, nil},
		"nothing listed": {nil, nil, nil, []string{"0 scenarios, required are 1", "0 checks passed, required are 2"}},
		"empty result":   {[]string{"a", "b"}, map[string]*tally{"a": ok(), "b": {}}, nil, []string{"b checked nothing"}},
		"unlisted passes count for nothing": {
			[]string{"a"},
			map[string]*tally{"a": {passed: 1}, "b": ok()},
			nil,
			[]string{"1 checks passed, required are 2"},
		},
		"unlisted failure": {
			[]string{"a"},
			map[string]*tally{"a": ok(), "b": {failed: 1}},
			nil,
			[]string{"b (not listed) failed 1 checks"},
		},
		"exit status": {
			[]string{"a"},
			map[string]*tally{"a": ok()},
			errors.New("exit status 1"),
			[]string{"the suite did not end well: exit status 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(requirement{Scenarios: 1, Passed: 2}, tt.listed, tt.results, tt.runErr)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTally_CountsUnknownStatusAsFailure(t *testing.T) {
	var got tally
	got.add(check{ID: "x", Status: "MAYBE"})
	if got.failed != 1 {
		t.Errorf("failed = %d, want 1", got.failed)
	}
}
