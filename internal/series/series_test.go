package series_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/series"
)

func newTable(limit int) *series.Table[series.Key] {
	return series.NewTable(limit, func(k series.Key) series.Key { return k })
}

func TestTable_LearnsNamesThatServersKnow(t *testing.T) {
	tool := func(name string) series.Key { return series.Key{Method: "tools/call", Name: name} }
	other := tool(series.Other)
	for _, c := range []struct {
		key    series.Key
		failed bool
		code   mcperrors.Code
		want   series.Key
	}{
		{tool("made_up"), true, mcperrors.NotFound, other},
		{tool("made_up"), true, mcperrors.RateLimited, other},
		{tool("made_up"), true, mcperrors.Authorization, other},
		{tool("made_up"), true, mcperrors.Validation, other},
		{tool("made_up"), true, mcperrors.Canceled, other},
		{tool("breaks"), true, mcperrors.Internal, tool("breaks")},
		{tool("says_no"), true, "", tool("says_no")},
		{tool("add"), false, "", tool("add")},
		{tool("add"), true, mcperrors.RateLimited, tool("add")},
		{tool(strings.Repeat("x", 200)), false, "", other},
		{tool("\xff"), false, "", other},
		{series.Key{Method: "tools/list"}, true, mcperrors.Internal, series.Key{Method: "tools/list"}},
		{series.Key{Method: "my/method"}, true, mcperrors.NotFound, series.Key{Method: series.Other}},
		{series.Key{Method: "my/method"}, false, "", series.Key{Method: "my/method"}},
	} {
		table := newTable(10)
		if c.key.Name == "add" {
			table.Of(c.key, false, "")
		}
		if got := table.Of(c.key, c.failed, c.code); got != c.want {
			t.Errorf("%+v with %q: got %+v, want %+v", c.key, c.code, got, c.want)
		}
	}
}

func TestTable_IsBounded(t *testing.T) {
	table := newTable(5)
	seen := map[series.Key]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				s := table.Of(series.Key{Method: "tools/call", Name: fmt.Sprint((i + g) % 50)}, false, "")
				mu.Lock()
				seen[s] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 6 {
		t.Errorf("%d series: %v", len(seen), seen)
	}
}

func TestKeyOf_NamesToolsAndPromptsOnly(t *testing.T) {
	for _, c := range []struct {
		method string
		req    mcp.Request
		want   string
	}{
		{"tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "add"}}, "add"},
		{"prompts/get", &mcp.GetPromptRequest{Params: &mcp.GetPromptParams{Name: "greet"}}, "greet"},
		{"resources/read", &mcp.ReadResourceRequest{Params: &mcp.ReadResourceParams{URI: "file:///secret"}}, ""},
		{"tools/call", (*mcp.CallToolRequest)(nil), ""},
		{"tools/call", &mcp.CallToolRequest{}, ""},
		{"tools/call", nil, ""},
	} {
		if got := series.KeyOf(c.method, c.req); got.Name != c.want || got.Method != c.method {
			t.Errorf("%s: %+v", c.method, got)
		}
	}
}
