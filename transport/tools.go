package transport

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// maxStrangers bounds the names that are remembered not to be listed.
	maxStrangers = 1024
	// maxPages bounds how many pages of a list are read for one call.
	maxPages = 64
)

// knownTools remembers which headers the tools of a server ask for. go-sdk
// shows its tools to nobody but those who list them, so they are taken from the
// lists that are served; a call of a tool that was in none of them is preceded
// by a list in its caller's name. A change of the tools starts it anew.
type knownTools struct {
	headers atomic.Pointer[map[string][]paramHeader]

	mu        sync.Mutex
	strangers map[string]struct{}
}

func newKnownTools() *knownTools {
	k := &knownTools{}
	k.forget()
	return k
}

// changed is told of the server's notifications.
func (k *knownTools) changed(method string) {
	if method == "notifications/tools/list_changed" {
		k.forget()
	}
}

func (k *knownTools) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.headers.Store(&map[string][]paramHeader{})
	k.strangers = map[string]struct{}{}
}

// learn takes the tools of a list that was asked for when before was current.
func (k *knownTools) learn(before *map[string][]paramHeader, tools []*mcp.Tool) {
	var learned map[string][]paramHeader
	for _, tool := range tools {
		if tool == nil {
			continue
		}
		if _, known := (*before)[tool.Name]; known {
			continue
		}
		if learned == nil {
			learned = map[string][]paramHeader{}
		}
		learned[tool.Name] = paramHeadersOf(tool)
	}
	if learned == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.headers.Load() != before {
		return // the tools may have changed since
	}
	maps.Copy(learned, *before)
	k.headers.Store(&learned)
}

// isStranger reports whether name was looked for in vain, and remembers it if
// asked to.
func (k *knownTools) isStranger(name string, remember bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, found := k.strangers[name]
	if remember && len(k.strangers) < maxStrangers {
		k.strangers[name] = struct{}{}
	}
	return found
}

// of returns the headers that tool name asks for. It is not ok if the caller of
// req has no such tool in its list.
func (k *knownTools) of(ctx context.Context, d *dispatcher, req *mcp.CallToolRequest) (headers []paramHeader, ok bool) {
	name := req.Params.Name
	if headers, ok = (*k.headers.Load())[name]; ok {
		return headers, true
	}
	if k.isStranger(name, false) {
		return nil, false
	}
	before := k.headers.Load()
	var tools []*mcp.Tool
	cursor := ""
	for range maxPages {
		res, err := d.serve(ctx, "tools/list", &mcp.ListToolsRequest{
			Session: req.Session, Extra: req.Extra,
			Params: &mcp.ListToolsParams{Meta: maps.Clone(req.Params.Meta), Cursor: cursor},
		})
		list, isList := res.(*mcp.ListToolsResult)
		if err != nil || !isList {
			return nil, false
		}
		tools, cursor = append(tools, list.Tools...), list.NextCursor
		if cursor == "" {
			break
		}
	}
	k.learn(before, tools)
	for _, tool := range tools {
		if tool != nil && tool.Name == name {
			return paramHeadersOf(tool), true
		}
	}
	k.isStranger(name, true)
	return nil, false
}
