package transport

import (
	"encoding/json"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// isDirect reports whether request makes requests for method.
//
// Not among them: subscriptions, which need the SDK's own request id, and
// methods that the SDK alone knows the types of; see passage. Notifications.
func isDirect(method string) bool {
	switch method {
	case "tools/call", "prompts/get", "resources/read", "completion/complete",
		"tools/list", "prompts/list", "resources/list", "resources/templates/list",
		"server/discover", "ping", "logging/setLevel":
		return true
	}
	return false
}

// request decodes params, which checkJSON accepted, into the SDK's request for
// method. Arguments of a tool stay parts of params. Keys are taken exactly as
// they are spelled.
//
// There is neither request nor refusal for a method that isDirect denies.
func (d *dispatcher) request(session *mcp.ServerSession, method string, params json.RawMessage, extra *mcp.RequestExtra) (mcp.Request, *refusal) {
	if string(params) == "null" {
		params = nil
	}
	switch method {
	case "tools/call", "prompts/get", "resources/read", "completion/complete", "logging/setLevel":
		if params == nil {
			return nil, invalidParams("params are missing")
		}
	}
	switch method {
	case "tools/call":
		r := &struct {
			req mcp.CallToolRequest
			p   mcp.CallToolParamsRaw
		}{}
		r.req = mcp.CallToolRequest{Session: session, Params: &r.p, Extra: extra}
		return &r.req, d.decodeCallTool(&r.p, params)
	case "prompts/get":
		p := &mcp.GetPromptParams{}
		return &mcp.GetPromptRequest{Session: session, Params: p, Extra: extra}, d.decodeGetPrompt(p, params)
	case "resources/read":
		p := &mcp.ReadResourceParams{}
		return &mcp.ReadResourceRequest{Session: session, Params: p, Extra: extra}, d.decodeReadResource(p, params)
	case "completion/complete":
		p := &mcp.CompleteParams{}
		return &mcp.CompleteRequest{Session: session, Params: p, Extra: extra}, d.decodeComplete(p, params)
	case "tools/list":
		p := &mcp.ListToolsParams{}
		return &mcp.ListToolsRequest{Session: session, Params: p, Extra: extra}, d.decodeList(params, &p.Meta, &p.Cursor)
	case "prompts/list":
		p := &mcp.ListPromptsParams{}
		return &mcp.ListPromptsRequest{Session: session, Params: p, Extra: extra}, d.decodeList(params, &p.Meta, &p.Cursor)
	case "resources/list":
		p := &mcp.ListResourcesParams{}
		return &mcp.ListResourcesRequest{Session: session, Params: p, Extra: extra}, d.decodeList(params, &p.Meta, &p.Cursor)
	case "resources/templates/list":
		p := &mcp.ListResourceTemplatesParams{}
		return &mcp.ListResourceTemplatesRequest{Session: session, Params: p, Extra: extra}, d.decodeList(params, &p.Meta, &p.Cursor)
	case "server/discover":
		p := &mcp.DiscoverParams{}
		return &mcp.ServerRequest[*mcp.DiscoverParams]{Session: session, Params: p, Extra: extra}, d.decodeList(params, &p.Meta, new(string))
	case "ping":
		p := &mcp.PingParams{}
		return &mcp.ServerRequest[*mcp.PingParams]{Session: session, Params: p, Extra: extra}, d.decodeList(params, &p.Meta, new(string))
	case "logging/setLevel":
		p := &mcp.SetLoggingLevelParams{}
		return &mcp.ServerRequest[*mcp.SetLoggingLevelParams]{Session: session, Params: p, Extra: extra},
			d.decodeList(params, &p.Meta, new(string), member{"level", (*string)(&p.Level)})
	}
	return nil, nil
}

func (d *dispatcher) decodeCallTool(p *mcp.CallToolParamsRaw, params json.RawMessage) (ref *refusal) {
	for key, value := range strictjson.Members(params) {
		switch string(key) {
		case "name":
			ref = decodeText(&p.Name, key, value)
		case "arguments":
			p.Arguments = value
		default:
			ref = d.decodeRound(&p.Meta, &p.InputResponses, &p.RequestState, key, value)
		}
		if ref != nil {
			return ref
		}
	}
	return nil
}

func (d *dispatcher) decodeGetPrompt(p *mcp.GetPromptParams, params json.RawMessage) (ref *refusal) {
	for key, value := range strictjson.Members(params) {
		switch string(key) {
		case "name":
			ref = decodeText(&p.Name, key, value)
		case "arguments":
			ref = decodeJSON(&p.Arguments, key, value)
		default:
			ref = d.decodeRound(&p.Meta, &p.InputResponses, &p.RequestState, key, value)
		}
		if ref != nil {
			return ref
		}
	}
	return nil
}

func (d *dispatcher) decodeReadResource(p *mcp.ReadResourceParams, params json.RawMessage) (ref *refusal) {
	for key, value := range strictjson.Members(params) {
		switch string(key) {
		case "uri":
			ref = decodeText(&p.URI, key, value)
		default:
			ref = d.decodeRound(&p.Meta, &p.InputResponses, &p.RequestState, key, value)
		}
		if ref != nil {
			return ref
		}
	}
	return nil
}

// decodeRound decodes what all methods have that may ask their caller for input.
func (d *dispatcher) decodeRound(meta *mcp.Meta, answers *mcp.InputResponseMap, state *string, key, value []byte) *refusal {
	switch string(key) {
	case "_meta":
		return d.decodeMeta(meta, value)
	case "inputResponses":
		return decodeJSON(answers, key, value)
	case "requestState":
		return decodeText(state, key, value)
	}
	return nil
}

func (d *dispatcher) decodeComplete(p *mcp.CompleteParams, params json.RawMessage) (ref *refusal) {
	for key, value := range strictjson.Members(params) {
		switch string(key) {
		case "ref":
			ref = decodeJSON(&p.Ref, key, value)
		case "argument":
			ref = d.decodeList(value, &mcp.Meta{}, new(string), member{"name", &p.Argument.Name}, member{"value", &p.Argument.Value})
		case "context":
			ref = decodeContext(p, value)
		case "_meta":
			ref = d.decodeMeta(&p.Meta, value)
		}
		if ref != nil {
			return ref
		}
	}
	if p.Ref == nil {
		return invalidParams("ref is missing")
	}
	return nil
}

func decodeContext(p *mcp.CompleteParams, value json.RawMessage) *refusal {
	if value[0] != '{' {
		return nilUnlessNull(value, "context must be an object")
	}
	p.Context = &mcp.CompleteContext{}
	for key, value := range strictjson.Members(value) {
		if string(key) == "arguments" {
			return decodeJSON(&p.Context.Arguments, key, value)
		}
	}
	return nil
}

// A member is a text in an object, and where it goes.
type member struct {
	key string
	to  *string
}

// decodeList decodes parameters that are texts: the cursor of lists, and more.
func (d *dispatcher) decodeList(params json.RawMessage, meta *mcp.Meta, cursor *string, more ...member) (ref *refusal) {
	if params != nil && params[0] != '{' {
		return nilUnlessNull(params, "an object is needed")
	}
	for key, value := range strictjson.Members(params) {
		switch string(key) {
		case "_meta":
			ref = d.decodeMeta(meta, value)
		case "cursor":
			ref = decodeText(cursor, key, value)
		default:
			for _, m := range more {
				if m.key == string(key) {
					ref = decodeText(m.to, key, value)
				}
			}
		}
		if ref != nil {
			return ref
		}
	}
	return nil
}

func decodeText(to *string, key, value []byte) *refusal {
	s, ok := text(value)
	if !ok {
		return nilUnlessNull(value, string(key)+" must be a string")
	}
	*to = s
	return nil
}

func decodeJSON(to any, key, value []byte) *refusal {
	if string(value) == "null" {
		return nil
	}
	if json.Unmarshal(value, to) != nil {
		return invalidParams(string(key) + " is malformed") // the error would repeat what was sent
	}
	return nil
}

func (d *dispatcher) decodeMeta(to *mcp.Meta, value json.RawMessage) *refusal {
	if value[0] != '{' {
		return nilUnlessNull(value, "_meta must be an object")
	}
	m := map[string]any{}
	for key, member := range strictjson.Members(value) {
		name := keyText(key)
		if m[name] = d.rules.value(name, member); m[name] == nil {
			m[name] = decodeValue(member)
		}
	}
	*to = m
	return nil
}

func nilUnlessNull(value []byte, text string) *refusal {
	if string(value) == "null" {
		return nil
	}
	return invalidParams(text)
}

// decodeValue is encoding/json's decoding into an any, for checked JSON.
func decodeValue(value []byte) any {
	switch value[0] {
	case '{':
		return decodeObject(value)
	case '[':
		return decodeArray(value)
	case '"':
		if string(value) == `"`+era.FirstModern+`"` { // in each call
			return modernVersion
		}
		s, _ := text(value)
		return s
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	}
	n, _ := strconv.ParseFloat(string(value), 64) // checked: it is finite
	return n
}

var modernVersion any = era.FirstModern // boxed once

func decodeObject(value []byte) map[string]any {
	m := map[string]any{}
	for key, member := range strictjson.Members(value) {
		m[keyText(key)] = decodeValue(member)
	}
	return m
}

// keyText returns key as a string, without a copy where many calls have it.
func keyText(key []byte) string {
	switch string(key) {
	case mcp.MetaKeyProtocolVersion:
		return mcp.MetaKeyProtocolVersion
	case mcp.MetaKeyClientInfo:
		return mcp.MetaKeyClientInfo
	case mcp.MetaKeyClientCapabilities:
		return mcp.MetaKeyClientCapabilities
	case "name":
		return "name"
	case "version":
		return "version"
	case "progressToken":
		return "progressToken"
	}
	return string(key)
}

func decodeArray(value []byte) []any {
	list := []any{}
	for i := strictjson.SkipSpace(value, 1); i < len(value) && value[i] != ']'; {
		end := strictjson.SkipValue(value, i)
		list = append(list, decodeValue(value[i:end]))
		if i = strictjson.SkipSpace(value, end); i < len(value) && value[i] == ',' {
			i = strictjson.SkipSpace(value, i+1)
		}
	}
	return list
}
