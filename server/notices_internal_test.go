package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/plugin"
)

// The SDK may tell clients after the last of many changes and before it is
// released. Then nobody was told of that one, and somebody has to be.
func TestNotices_ThatWereDroppedAreMadeUpFor(t *testing.T) {
	const tools, prompts = "notifications/tools/list_changed", "notifications/prompts/list_changed"
	one := func(k plugin.Kind) *entry { return &entry{Feature: plugin.Feature{Kind: k}} }
	many := manyChanges([]*entry{
		one(plugin.KindTool), one(plugin.KindTool), one(plugin.KindPrompt),
		{Feature: plugin.Feature{Kind: plugin.KindPrompt}, canonical: "alias"},
		one(plugin.KindTemplate),
	}, map[plugin.Kind][]string{plugin.KindResource: {"a", "b"}})
	if len(many) != 2 || many[plugin.KindTool] == nil || many[plugin.KindResource] == nil {
		t.Fatal("more than one change of", many)
	}
	synctest.Test(t, func(t *testing.T) {
		var n notices
		n.hold(many)
		if !n.drops(tools) {
			t.Error("clients are told in the middle")
		}
		if n.drops(prompts) || n.drops("notifications/message") {
			t.Error("it drops what is told once anyway")
		}
		n.last(tools)
		if !n.drops(tools) || n.release(tools) || !n.drops(tools) {
			t.Error("what comes too early for the last change is not dropped")
		}
		<-time.After(sdkDelay)
		if n.drops(tools) {
			t.Error("clients are not told of the last change")
		}
		n.hold(many)
		n.last(tools)
		<-time.After(sdkDelay)
		if !n.drops(tools) || !n.release(tools) || n.drops(tools) {
			t.Error("nothing makes up for what was dropped after the last change")
		}
	})
}
