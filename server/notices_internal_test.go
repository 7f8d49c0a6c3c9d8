package server

import (
	"testing"

	"github.com/trestle-mcp/trestle/plugin"
)

// The SDK may tell clients after the last of many changes and before it is
// released. Then nobody was told of that one, and somebody has to be.
func TestNotices_ThatWereDroppedAreMadeUpFor(t *testing.T) {
	const tools = "notifications/tools/list_changed"
	alias := &entry{Feature: plugin.Feature{Kind: plugin.KindTool}, name: "alias", canonical: "a"}
	a, b := &entry{Feature: plugin.Feature{Kind: plugin.KindTool}, name: "a"}, &entry{Feature: plugin.Feature{Kind: plugin.KindTool}, name: "b"}
	p := &entry{Feature: plugin.Feature{Kind: plugin.KindPrompt}, name: "p"}
	var n notices
	added := []*entry{alias, a, b, p}
	release := n.hold(added, nil)
	for range 2 {
		if !n.drops(tools) {
			t.Error("clients are told in the middle")
		}
	}
	if n.drops("notifications/prompts/list_changed") || n.drops("notifications/message") {
		t.Error("it drops what is told once anyway")
	}
	if again := release(added); len(again) != 1 || again[0] != a {
		t.Error("made up for by", again)
	}
	if n.drops(tools) {
		t.Error("it still drops")
	}
	if again := n.hold(added, nil)(added); again != nil {
		t.Error("nothing was dropped, and made up for by", again)
	}
}
