package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
	"github.com/trestle-mcp/trestle/bench/internal/load"
)

var errStatus = errors.New("wrong status")

type answer struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      int             `json:"id"`
	Error   json.RawMessage `json:"error"`
	Result  struct {
		ResultType      string `json:"resultType"`
		ProtocolVersion string `json:"protocolVersion"`
		IsError         bool   `json:"isError"`
		Content         []struct{ Type, Text string }
		Structured      *fixture.AddOut `json:"structuredContent"`
		Tools           []struct {
			Name        string
			InputSchema struct {
				Type       string
				Properties map[string]any
			}
		}
	} `json:"result"`
}

// decode returns the JSON-RPC answer in res, whichever form it has.
func decode(res *load.Response) (*answer, error) {
	data := res.Body
	if res.Stream {
		data = nil
		for line := range bytes.Lines(res.Body) {
			if field, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				data = field // the last one is the answer
			}
		}
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, err
	}
	if a.JSONRPC != "2.0" || a.Error != nil {
		return nil, errors.New("not a result")
	}
	return &a, nil
}

// prove looks at an answer in every respect that matters.
func (c *Calls) prove(res *load.Response) error {
	a, err := decode(res)
	if err != nil {
		return err
	}
	if a.ID != c.id {
		return fmt.Errorf("id %d, want %d", a.ID, c.id)
	}
	if c.era == Modern && a.Result.ResultType != "complete" {
		return fmt.Errorf("resultType %q", a.Result.ResultType)
	}
	if c.kind == List {
		return a.proveList()
	}
	if a.Result.IsError || len(a.Result.Content) != 1 || a.Result.Content[0].Type != "text" {
		return errors.New("not one text as content")
	}
	text := a.Result.Content[0].Text
	if c.kind == Echo {
		if want := echoText(fmt.Sprint(c.id)); text != want {
			return fmt.Errorf("text %.20q…, want %.20q…", text, want)
		}
		return nil
	}
	var out fixture.AddOut
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return err
	}
	if out.Sum != int64(c.id+1) || a.Result.Structured == nil || *a.Result.Structured != out {
		return fmt.Errorf("sum %d as text, %v as structure; want %d", out.Sum, a.Result.Structured, c.id+1)
	}
	return nil
}

func (a *answer) proveList() error {
	properties := map[string]int{}
	for _, t := range a.Result.Tools {
		if t.InputSchema.Type != "object" {
			return fmt.Errorf("the schema of %q has type %q", t.Name, t.InputSchema.Type)
		}
		properties[t.Name] = len(t.InputSchema.Properties)
	}
	if n, want := len(properties), ListTools+2; n != want || len(a.Result.Tools) != want {
		return fmt.Errorf("%d tools with %d names, want %d", len(a.Result.Tools), n, want)
	}
	for i := range ListTools {
		if n := properties[fixture.Extra(i).Name]; n != 6 {
			return fmt.Errorf("tool %d has %d properties", i, n)
		}
	}
	return nil
}
