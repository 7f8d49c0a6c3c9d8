package transport

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// maxStrangers bounds the tools that are remembered not to be listed.
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
	strangers map[stranger]struct{}
}

// A stranger is a tool that is not in a caller's list.
type stranger struct{ caller, tool string }

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
	k.strangers = map[stranger]struct{}{}
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

// isStranger reports whether a caller looked for a tool in vain, and remembers
// it if asked to.
func (k *knownTools) isStranger(s stranger, remember bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, found := k.strangers[s]
	if remember && len(k.strangers) < maxStrangers {
		k.strangers[s] = struct{}{}
	}
	return found
}

// check holds the headers of a call against its arguments, if its caller has
// the tool in its list: to others a hidden tool is like none. It is not ok if
// the caller cannot list.
func (k *knownTools) check(ctx context.Context, d *dispatcher, req *mcp.CallToolRequest, principal func(context.Context) string) (_ *refusal, ok bool) {
	name := req.Params.Name
	if headers, known := (*k.headers.Load())[name]; known {
		ref := checkParamHeaders(headers, req)
		if ref == nil {
			return nil, true
		}
	}
	me := stranger{principal(ctx), name}
	if k.isStranger(me, false) {
		return nil, true
	}
	before := k.headers.Load()
	tools, ok := listTools(ctx, d, req)
	if !ok {
		return nil, false
	}
	k.learn(before, tools)
	for _, tool := range tools {
		if tool != nil && tool.Name == name {
			return checkParamHeaders(paramHeadersOf(tool), req), true
		}
	}
	k.isStranger(me, true)
	return nil, true
}

// listTools lists what the caller of req may see.
func listTools(ctx context.Context, d *dispatcher, req *mcp.CallToolRequest) (tools []*mcp.Tool, ok bool) {
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
	return tools, true
}

func checkParamHeaders(headers []paramHeader, req *mcp.CallToolRequest) *refusal {
	for _, p := range headers {
		if ref := p.check(req.Extra.Header, req.Params.Arguments); ref != nil {
			return ref
		}
	}
	return nil
}
