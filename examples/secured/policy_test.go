package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/auth"
)

func TestPolicy_FollowsItsFileAndKeepsTheLastGoodOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	put := func(text string) { must(t, os.WriteFile(path, []byte(text), 0o600)) }
	put(string(builtIn))
	r, i := withIssuer(t, config{policy: path, policyInterval: 10 * time.Millisecond})
	reader := r.peer(t, "2026-07-28", r.token(t, i, "rita", "reader", ""))
	mayEcho := func() (may bool) {
		eventually(t, "polling is within the limits", func() bool {
			a := reader.call(t, "echo", `{"text":"hi"}`)
			may = a.status == 200
			return a.status != 429
		})
		return may
	}
	if !mayEcho() {
		t.Fatal("the first policy does not hold")
	}
	put("roles: {reader: [execute:tools:note_write]}")
	eventually(t, "the reader may write and not echo", func() bool {
		return !mayEcho() && reader.call(t, "note_write", `{"id":"a","text":"b"}`).status == 200
	})
	put(`roles: {reader: ["*", execute:toools:echo]}`)
	eventually(t, "the mistake is told", func() bool { return strings.Contains(r.logs.String(), "the last good one stays") })
	if mayEcho() {
		t.Error("a policy with a mistake was taken")
	}
	if !strings.Contains(r.logs.String(), "line 1") {
		t.Errorf("it is not told where: %s", r.logs)
	}
	put(string(builtIn))
	eventually(t, "the reader may echo again", mayEcho)
}

func TestPolicy_PurgingTakesAdminAccessToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	must(t, os.WriteFile(path, []byte("roles: {half: [execute:tools:*], whole: [execute:tools:*, admin:access]}"), 0o600))
	r, i := withIssuer(t, config{policy: path})
	for _, era := range eras {
		half := r.peer(t, era, r.token(t, i, "ann", "half", purgeScope))
		half.call(t, "admin_purge", `{}`).like(t, "admin_purge", half.call(t, "admin_surge", `{}`), "admin_surge")
		r.peer(t, era, r.token(t, i, "bob", "whole", purgeScope)).call(t, "admin_purge", `{}`).has(t, 200)
	}
}

func TestPolicy_TheOneBuiltInGrantsWhatTheRolesSay(t *testing.T) {
	p, err := (&config{}).openPolicy(nil)
	must(t, err)
	for permission, want := range map[string]string{
		"echo": "reader editor admin", "note_write": "editor admin", "admin_purge": "admin",
	} {
		var got []string
		for _, role := range []string{"reader", "editor", "admin", "guest"} {
			who := &auth.Principal{Issuer: "https://i", Subject: "s", Roles: []string{role}}
			if p.Decide(t.Context(), who, auth.Action{Verb: auth.Execute, Kind: auth.Tools, Name: permission}).Allowed() {
				got = append(got, role)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", permission, got, want)
		}
	}
}

func TestAudit_TellsWhoWasDeniedAndWhy(t *testing.T) {
	r, i := withIssuer(t, config{})
	for _, era := range eras {
		p := r.peer(t, era, r.token(t, i, "rita-"+era, "reader", ""))
		p.call(t, "note_write", `{"id":"a","text":"canary"}`)
		p.call(t, "echo", `{"text":"canary"}`)
		who := strings.Trim(strconv.Quote(`"`+i.url+`""rita-`+era+`"`), `"`)
		for action, want := range map[string][]string{
			"note_write": {`"decision":"denied"`, `"outcome":"not_found"`, `"reason":"denied`},
			"echo":       {`"decision":"allowed"`, `"outcome":"ok"`, `role \"reader\"`},
		} {
			eventually(t, "there is a record", func() bool { return record(r.logs.String(), who, "execute:tools:"+action) != "" })
			got := record(r.logs.String(), who, "execute:tools:"+action)
			for _, text := range want {
				if !strings.Contains(got, text) {
					t.Errorf("no %s in %s", text, got)
				}
			}
		}
	}
	if logs := r.logs.String(); strings.Contains(logs, "canary") || strings.Contains(logs, "eyJ") {
		t.Errorf("arguments or a token in %s", logs)
	}
}

// record returns the audit record with all of texts.
func record(logs string, texts ...string) string {
	for line := range strings.Lines(logs) {
		found := strings.Contains(line, `"msg":"audit"`)
		for _, text := range texts {
			found = found && strings.Contains(line, text)
		}
		if found {
			return line
		}
	}
	return ""
}
