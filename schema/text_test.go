package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

type promptArgs struct {
	Text  string   `json:"text"`
	Count int64    `json:"count,omitempty" validate:"omitempty,lte=9007199254740993"`
	Ratio float64  `json:"ratio,omitempty"`
	On    bool     `json:"on,omitempty"`
	Level int      `json:"level,omitempty" validate:"omitempty,oneof=1 2"`
	Mode  string   `json:"mode,omitempty" validate:"omitempty,oneof=fast 7"`
	Tags  []string `json:"tags,omitempty"`
	Any   any      `json:"any,omitempty"`
	Opt   *int     `json:"opt,omitempty"`
}

func TestDecodeText_ConvertsByTheTypeOfEachProperty(t *testing.T) {
	s := mustFor[promptArgs](t, nil)
	seven := 7
	v, err := s.DecodeText(map[string]string{
		"text": `"42"`, "count": " 9007199254740993 ", "ratio": "1e-3", "on": "true", "level": "2", "mode": "7",
		"tags": `["a","b"]`, "any": "12", "opt": "7",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := promptArgs{`"42"`, 9007199254740993, 0.001, true, 2, "7", []string{"a", "b"}, "12", &seven}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	if v, err := s.DecodeText(map[string]string{"text": "", "count": "", "on": "", "opt": "null"}); err != nil || !cmp.Equal(v, promptArgs{}) {
		t.Errorf("empty texts: %+v, %v", v, err)
	}
}

func TestDecodeText_ChecksLikeDecode(t *testing.T) {
	s := mustFor[promptArgs](t, nil)
	_, err := s.DecodeText(map[string]string{
		"count": "9007199254740994", "ratio": "NaN", "on": "yes", "level": "3", "mode": "slow", "tags": "a", "Text": "x", "opt": `1,"text":"x"`,
	})
	want := []string{
		`Text: unknown argument; known are text, count, ratio, on, level, mode, tags, any, opt; did you mean "text"?`,
		"count: must be at most 9007199254740993, got 9007199254740994 (rule: lte=9007199254740993)",
		"level: must be one of 1, 2, got 3 (rule: oneof=1 2 / enum)",
		`mode: must be one of "fast", "7", got "slow" (rule: oneof=fast 7 / enum)`,
		`on: must be true or false, got "yes"`,
		`opt: must be an integer, got "1,\"text\":\"x\""`,
		`ratio: must be a number, got "NaN"`,
		`tags: must be an array, got "a"`,
		"text: required, missing",
	}
	got := map[string]bool{}
	for _, line := range lines(t, err) {
		got[line] = true
	}
	for _, line := range want {
		if !got[line] {
			t.Errorf("missing: %s", line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d: %v", len(got), len(want), err)
	}
	if _, err := s.DecodeText(map[string]string{"text": "\xff"}); err == nil {
		t.Error("accepts invalid UTF-8")
	}
	if _, err := s.DecodeText(nil); err == nil {
		t.Error("accepts nothing where text is required")
	}
}
