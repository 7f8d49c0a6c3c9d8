package mcptest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/trestle-mcp/trestle/internal/catalog"
)

const updateFlag = "update"

// The flag is there for every test that imports this package, unless another
// package had it first.
func init() {
	if flag.Lookup(updateFlag) == nil {
		flag.Bool(updateFlag, false, "rewrite golden files instead of comparing with them")
	}
}

// Update reports whether the tests run with -update, which rewrites golden files.
// A test package with golden files of its own asks it rather than define the flag
// again.
func Update() bool {
	f := flag.Lookup(updateFlag)
	return f != nil && f.Value.String() == "true"
}

// GoldenCatalog fails the test unless what the server offers this client is
// what the file at path has: tools with their schemas, resources, prompts and
// instructions. The failure says what changed, and which of it breaks clients.
// -update writes the file.
func (c *Client) GoldenCatalog(path string) {
	c.tb.Helper()
	now := c.Catalog()
	raw, err := now.Encode()
	if err != nil {
		c.fatalf("encoding the catalog: %v", err)
	}
	kept, same := c.golden(path, raw)
	if same {
		return
	}
	before, err := catalog.Decode(kept)
	if err != nil {
		c.fatalf("%s: %v", path, err)
	}
	var changes strings.Builder
	for _, change := range catalog.Compare(before, now) {
		changes.WriteString("\n  " + change.String())
	}
	c.tb.Errorf("the catalog is not that of %s; if it should be, run the test with -update:%s", path, changes.String())
}

// GoldenExchange fails the test unless everything that went over the wire so far
// is what the file at path has, a message a line. What is another in every run is
// not compared: times, request and session ids, cursors and sealed states. The
// order is: let no requests run beside each other. -update writes the file.
func (c *Client) GoldenExchange(path string) {
	c.tb.Helper()
	var lines bytes.Buffer
	for _, m := range c.x.all() {
		if m.Sent {
			lines.WriteString("--> ")
		} else {
			lines.WriteString("<-- ")
		}
		lines.Write(volatile.ReplaceAll(m.Raw, []byte(`"$1":"…"`)))
		lines.WriteByte('\n')
	}
	if kept, same := c.golden(path, lines.Bytes()); !same {
		c.tb.Errorf("the exchange is not that of %s (-want +got); if it should be, run the test with -update:\n%s",
			path, cmp.Diff(strings.Split(string(kept), "\n"), strings.Split(lines.String(), "\n")))
	}
}

// volatile are the members whose values change from run to run.
var volatile = regexp.MustCompile(`"(timestamp|requestId|requestState|nextCursor|cursor|sessionId)":"[^"]*"`)

// golden compares raw with the file at path, or writes it.
func (c *Client) golden(path string, raw []byte) (kept []byte, same bool) {
	c.tb.Helper()
	if Update() {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			c.fatalf("%v", err)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			c.fatalf("%v", err)
		}
		return raw, true
	}
	kept, err := os.ReadFile(path) //nolint:gosec // the test's own file
	if err != nil {
		c.fatalf("%v; run the test with -update to write it", err)
		return nil, true
	}
	kept = bytes.ReplaceAll(kept, []byte("\r\n"), []byte("\n")) // as git may check it out
	return kept, bytes.Equal(kept, raw)
}
