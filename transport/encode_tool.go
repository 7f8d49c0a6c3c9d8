package transport

import (
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// appendToolResult appends res as CallToolResult.MarshalJSON does, with what
// 2026-07-28 adds if it is modern.
func appendToolResult(dst []byte, res *mcp.CallToolResult, modern bool, serverInfo json.RawMessage) (_ []byte, err error) {
	asks := res.InputRequests != nil || res.NeedsInput()
	dst = append(dst, '{')
	if modern {
		if asks {
			dst = append(dst, `"resultType":"input_required",`...)
		} else {
			dst = append(dst, completeType+`,`...)
		}
	}
	if modern || len(res.Meta) > 0 {
		var meta []byte
		if len(res.Meta) > 0 {
			if meta, err = json.Marshal(res.Meta); err != nil {
				return dst, fmt.Errorf("transport: encoding _meta: %w", err)
			}
		}
		if !modern {
			serverInfo = nil
		}
		dst = append(appendServerInfo(append(dst, `"_meta":`...), meta, serverInfo), ',')
	}
	if res.Content != nil || !asks {
		if dst, err = appendContents(append(dst, `"content":`...), res.Content); err != nil {
			return dst, err
		}
		dst = append(dst, ',')
	}
	if res.StructuredContent != nil {
		if dst, err = appendAny(append(dst, `"structuredContent":`...), res.StructuredContent); err != nil {
			return dst, err
		}
		dst = append(dst, ',')
	}
	if res.IsError {
		dst = append(dst, `"isError":true,`...)
	}
	if res.InputRequests != nil {
		if dst, err = appendAny(append(dst, `"inputRequests":`...), res.InputRequests); err != nil {
			return dst, err
		}
		dst = append(dst, ',')
	}
	if res.RequestState != "" {
		dst = append(appendText(append(dst, `"requestState":`...), res.RequestState), ',')
	}
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}'), nil
}

// appendContents writes an array where the SDK has none: the schema demands it.
func appendContents(dst []byte, contents []mcp.Content) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, content := range contents {
		if i > 0 {
			dst = append(dst, ',')
		}
		if text, ok := content.(*mcp.TextContent); ok && text != nil && text.Meta == nil && text.Annotations == nil {
			dst = append(appendText(append(dst, `{"type":"text","text":`...), text.Text), '}')
		} else if dst, err = appendAny(dst, content); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendAny appends v as encoding/json does, on one line.
func appendAny(dst []byte, v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok && isOneLine(raw) {
		return append(dst, raw...), nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("transport: encoding %T: %w", v, err)
	}
	return append(dst, data...), nil
}
