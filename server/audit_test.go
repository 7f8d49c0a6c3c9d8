package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/server"
)

func TestAudit_RecordsWhatEveryRoadAskedAndGot(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	srv := houseServer(t, server.Options{Audit: server.AuditLog(zap.New(core)), View: server.View{WithoutNames: []string{"open2"}}})
	url := serveHTTP(t, srv)
	for _, version := range eras {
		for _, c := range []struct{ method, members, name, decision, outcome, reason string }{
			{"tools/call", `"name":"open1","arguments":{}`, "open1", "allowed", "ok", `granted as execute:tools:open* by role "member"`},
			{"tools/call", `"name":"closed","arguments":{}`, "closed", "denied", "not_found", "nothing grants it"},
			{"tools/call", `"name":"halfadmin","arguments":{}`, "halfadmin", "denied", "not_found", "which needs admin:access: nothing grants it"},
			{"tools/call", `"name":"halfscope","arguments":{}`, "halfscope", "denied", "authorization", "lack of scopes"},
			{"tools/call", `"name":"open2","arguments":{}`, "open2", "denied", "not_found", "the view does not show it"},
			{"prompts/get", `"name":"closed"`, "closed", "denied", "not_found", "nothing grants it"},
			{"resources/read", `"uri":"notes://closed"`, "notes://closed", "denied", "not_found", "nothing grants it"},
			{"tools/list", ``, "", "allowed", "ok", ""},
		} {
			p := newPeer(t, url, version, member)
			logs.TakeAll()
			p.ask(t, c.method, c.members, c.name)
			var found []map[string]any
			for _, e := range logs.TakeAll() {
				if m := e.ContextMap(); m["method"] == c.method {
					found = append(found, m)
				}
			}
			if len(found) == 0 {
				t.Fatalf("%s %s %s: no record", version, c.method, c.name)
			}
			m := found[len(found)-1]
			reason, _ := m["reason"].(string)
			if m["decision"] != c.decision || m["outcome"] != c.outcome || !strings.Contains(reason, c.reason) ||
				m["request_id"] != "same" || m["principal"] != `"https://i""ann"` {
				t.Errorf("%s %s %s: %v", version, c.method, c.name, m)
			}
			if (m["arguments"] != nil) != (c.method == "tools/call") {
				t.Errorf("%s: digest %v", c.method, m["arguments"])
			}
		}
		newPeer(t, url, version, member).ask(t, "ping", "", "")
		if n := logs.Len(); n != 0 {
			t.Errorf("%d records of a ping", n)
		}
	}
}

type brokenSink struct{}

func (brokenSink) Audit(context.Context, *auth.AuditRecord) error {
	return errors.New("dial tcp 10.0.0.7:5432")
}

func TestAudit_FailsClosedWhenToldTo(t *testing.T) {
	for _, closed := range []bool{false, true} {
		url := serveHTTP(t, houseServer(t, server.Options{Audit: brokenSink{}, AuditFailClosed: closed}))
		got := newPeer(t, url, eras[1], member).ask(t, "tools/call", `"name":"open1","arguments":{}`, "open1")
		if strings.Contains(got, "ran") == closed || strings.HasPrefix(got, "503 ") != closed || strings.Contains(got, "10.0.0.7") {
			t.Errorf("closed %t: %s", closed, got)
		}
	}
}
