package mcptest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
)

func TestGolden_HoldsTheCatalogAndAWholeExchange(t *testing.T) {
	c := mcptest.New(t, newServer(t))
	c.GoldenCatalog("testdata/catalog.json")

	c = mcptest.New(t, newServer(t), mcptest.Legacy())
	c.Call("add", addIn{1, 2}).OK()
	c.Call("add", addIn{A: -1}).Fails(mcperrors.Validation)
	c.GoldenExchange("testdata/calls.txt")
}

func TestGoldenCatalog_NamesAChangeThatBreaksClients(t *testing.T) {
	if mcptest.Update() {
		t.Skip("files are being written")
	}
	raw, err := os.ReadFile("testdata/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.json")
	before := strings.Replace(string(raw), `"name": "work"`, `"name": "worked"`, 1)
	if err := os.WriteFile(other, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	got := failed(t, func(tb testing.TB) { mcptest.New(tb, newServer(t)).GoldenCatalog(other) })
	for _, want := range []string{"-update", `breaks clients: tool "worked": removed`, `tool "work": added`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}
