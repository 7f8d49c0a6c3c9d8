package server

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
)

// notices sees to it that clients hear once of many changes at once. The SDK
// waits for 10 ms of silence before it tells them, and takes longer than that
// between two changes where schemas are large or the machine is busy.
//
// So what it wants to tell is dropped until it can be about the last change, which
// is a quick one: a mark is taken away. If that was dropped, too, because this
// goroutine had to wait for so long, a mark comes and goes once more.
//
// Where the SDK's own goroutine has to wait for so long, clients hear twice.
type notices struct {
	mu   sync.Mutex
	held map[string]*heldNotice // by method
}

type heldNotice struct {
	from   time.Time // when it can be about the last change; zero: that is to come
	missed bool      // it was dropped since
	done   bool      // the changes are
}

// sdkDelay is how long the SDK waits after a change.
const sdkDelay = 10 * time.Millisecond

var listChanged = map[plugin.Kind]string{
	plugin.KindTool:     "notifications/tools/list_changed",
	plugin.KindPrompt:   "notifications/prompts/list_changed",
	plugin.KindResource: "notifications/resources/list_changed",
	plugin.KindTemplate: "notifications/resources/list_changed",
}

// markName is longer than any name that we register, so it hides none. It is in no
// table, so who calls it finds nothing, and no list is taken meanwhile.
const markName = "io.github.trestle-mcp.this-marks-that-more-than-one-thing-changes-at-once"

// marks are for the SDK alone.
var marks = map[plugin.Kind]*entry{
	plugin.KindTool:     {name: markName, Feature: plugin.Feature{Kind: plugin.KindTool, Tool: &mcp.Tool{Name: markName, InputSchema: json.RawMessage(`{"type":"object"}`)}}},
	plugin.KindPrompt:   {name: markName, Feature: plugin.Feature{Kind: plugin.KindPrompt, Prompt: &mcp.Prompt{Name: markName}}},
	plugin.KindResource: {name: markName + ":x", Feature: plugin.Feature{Kind: plugin.KindResource, Resource: &mcp.Resource{URI: markName + ":x", Name: markName}}},
}

// manyChanges returns the marks for what the SDK would hear of more than once.
func manyChanges(add []*entry, gone map[plugin.Kind][]string) map[plugin.Kind]*entry {
	changes := map[string]int{}
	for _, e := range add {
		if e.canonical == "" {
			changes[listChanged[e.Kind]]++
		}
	}
	for k := range gone {
		changes[listChanged[k]]++
	}
	many := map[plugin.Kind]*entry{}
	for k, m := range marks {
		if changes[listChanged[k]] > 1 {
			many[k] = m
		}
	}
	return many
}

// hold drops notices of some kinds.
func (n *notices) hold(kinds map[plugin.Kind]*entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = map[string]*heldNotice{}
	for k := range kinds {
		n.held[listChanged[k]] = new(heldNotice)
	}
}

// last is told before the last change: it makes up for what was dropped.
func (n *notices) last(method string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held[method].from = time.Now().Add(sdkDelay)
}

// release lets notices through that can be about the last change, and reports
// whether one was dropped.
func (n *notices) release(method string) (missed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.held[method]
	h.done = true
	return h.missed
}

// middleware stands before what the SDK sends.
func (n *notices) middleware(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if n.drops(method) {
			return nil, nil
		}
		return next(ctx, method, req)
	}
}

func (n *notices) drops(method string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.held[method]
	if h == nil {
		return false
	}
	late := !h.from.IsZero() && !time.Now().Before(h.from)
	if late && h.done {
		return false
	}
	h.missed = h.missed || late
	return true
}
