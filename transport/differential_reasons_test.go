package transport_test

import "strings"

// differences are where we answer otherwise than go-sdk, and why.
var differences = []difference{
	{"go-sdk answers a refusal in plain text; ours is a JSON-RPC error", func(_ exchange, theirs, ours outcome) bool {
		return theirs.Status == ours.Status && theirs.Status >= 400 && len(theirs.Messages) == 0 && isRefusal(ours, ours.Status)
	}},
	{"THREATS 3: an id is a short string or an integer that every parser reads exactly", refusedAt(400, " id ")},
	{"THREATS 4: nesting is bounded", refusedAt(400, "envelope deep")},
	{"THREATS 6: other charsets and encodings are refused", refusedAt(415, "charset=latin1", "Content-Encoding: gzip")},
	{"THREATS 6: an Accept that refuses both is 406, and go-sdk does not see q=0", refusedAt(406, "header Accept")},
	{"a client without Accept takes anything (RFC 9110, 12.5.1)", func(e exchange, _, ours outcome) bool {
		return strings.HasSuffix(e.name, "header Accept: ") && ours.Status == 200
	}},
	{"THREATS 8: duplicate keys and case variants are refused", refusedAt(400, "duplicate key", "case variant", "envelope both", `{"a":1,"a":2}`)},
	{"THREATS 9: bad UTF-8 and numbers that no float holds are refused", refusedAt(400, "bad utf-8", "huge number")},
	{"THREATS 12: nothing may follow the message", refusedAt(400, "trailing", "envelope two")},
	{"THREATS 13: base64 in Mcp-Name is accepted", func(e exchange, _, ours outcome) bool {
		return strings.HasSuffix(e.name, "=?base64?ZWNobw==?=") && ours.Status == 200
	}},
	{"THREATS 13: headers and _meta that differ are a header mismatch", func(e exchange, theirs, ours outcome) bool {
		return strings.Contains(e.name, "MCP-Protocol-Version") && theirs.Status == 400 && isRefusal(ours, 400)
	}},
	{"THREATS 15: a foreign origin is refused", refusedAt(403, "header Origin")},
	{
		"envelope faults are -32600 with status 400; go-sdk takes a message without a method for an answer",
		refusedAt(400, "no method", "result and method", "same id", " {}", "params string", "params array", `tools/call  {"name"`),
	},
	{"without a version header the session's own version says whether it has batches", refusedAt(400, `batch at ""`)},
	{"subscriptions/listen came with 2026-07-28", refusedAt(400, "2025-03-26 subscriptions/listen", "2025-06-18 subscriptions/listen", "2025-11-25 subscriptions/listen")},
	{"go-sdk loses the error of a modern call that reported progress", func(e exchange, theirs, ours outcome) bool {
		return strings.Contains(e.name, `"late"`) && len(ours.Messages) == len(theirs.Messages)+1
	}},
}

type difference struct {
	reason string
	fits   func(e exchange, theirs, ours outcome) bool
}

func explain(e exchange, theirs, ours outcome) string {
	for _, d := range differences {
		if d.fits(e, theirs, ours) {
			return d.reason
		}
	}
	return ""
}

// isRefusal reports whether o is a single error with the status.
func isRefusal(o outcome, status int) bool {
	if o.Status != status || len(o.Messages) != 1 {
		return false
	}
	m, ok := o.Messages[0].(map[string]any)
	return ok && m["error"] != nil
}

// refusedAt fits exchanges whose name has one of the parts and which we refuse.
func refusedAt(status int, parts ...string) func(exchange, outcome, outcome) bool {
	return func(e exchange, _, ours outcome) bool {
		for _, p := range parts {
			if strings.Contains(e.name, p) && isRefusal(ours, status) {
				return true
			}
		}
		return false
	}
}
