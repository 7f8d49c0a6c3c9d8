package transport

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// go-sdk counts its requests from 1 in each session, and so on each replica that
// has a session rebuilt. Ids that are the replica's own keep the answer to one
// question from answering another.

// outgoing returns req as it is sent.
func (s *session) outgoing(req *jsonrpc.Request) jsonrpc.Message {
	switch {
	case s.kept == nil:
	case req.IsCall():
		if n, ok := req.ID.Raw().(int64); ok {
			id, _ := jsonrpc.MakeID(s.kept.requestID(n))
			return &jsonrpc.Request{ID: id, Method: req.Method, Params: req.Params}
		}
	case req.Method == "notifications/cancelled":
		var p map[string]any
		if json.Unmarshal(req.Params, &p) != nil {
			break
		}
		if n, ok := p["requestId"].(float64); ok {
			p["requestId"] = s.kept.requestID(int64(n))
			params, _ := json.Marshal(p) //nolint:errchkjson // it was decoded
			return &jsonrpc.Request{Method: req.Method, Params: params}
		}
	}
	return req
}

func (k *keptSession) requestID(n int64) string { return k.tag + "-" + strconv.FormatInt(n, 10) }

// claims reports whether res answers a request of s that was made here, and
// gives it the id that go-sdk knows.
func (s *session) claims(res *jsonrpc.Response) bool {
	if s.kept == nil {
		return true
	}
	id, _ := res.ID.Raw().(string)
	number, ours := strings.CutPrefix(id, s.kept.tag+"-")
	n, err := strconv.ParseInt(number, 10, 64)
	if !ours || err != nil || n > maxInteger {
		return false
	}
	res.ID, err = jsonrpc.MakeID(float64(n))
	return err == nil
}
