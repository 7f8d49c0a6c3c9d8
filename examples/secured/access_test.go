package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestTour_EachLineForTheShellDoesWhatItSays(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("curl is not here")
		}
		t.Skip("curl is not here")
	}
	r := start(t, config{audience: "http://localhost:PORT/mcp"}) // a name that curl has to use, too
	var got []string
	for line := range strings.Lines(r.out.String()) {
		if strings.HasPrefix(line, "curl ") {
			answer, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
			must(t, err)
			got = append(got, string(answer))
		}
	}
	want := []struct{ status, text string }{
		{"200", `"text":"hello"`},
		{"200", `"name":"echo"`},
		{"200", `"uri":"notes://ed/plan"`},
		{"200", `"text":"lunch"`},
		{"400", "no such note"},
		{"403", `scope="notes:admin"`},
		{"200", `{"notes":1}`},
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), r.out)
	}
	for i, w := range want {
		if !strings.HasPrefix(got[i], "HTTP/1.1 "+w.status) || !strings.Contains(got[i], w.text) {
			t.Errorf("step %d: want %s %s, got %s", i, w.status, w.text, got[i])
		}
	}
}

func TestRoles_EachMayDoWhatThePolicyGrants(t *testing.T) {
	r, i := withIssuer(t, config{})
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			reader := r.peer(t, era, r.token(t, i, "rita", "reader", ""))
			reader.call(t, "echo", `{"text":"hi"}`).has(t, 200, `"text":"hi"`)
			reader.call(t, "note_write", `{"id":"a","text":"b"}`).like(t, "note_write", reader.call(t, "none_write", `{"id":"a","text":"b"}`), "none_write")

			editor := r.peer(t, era, r.token(t, i, "ed", "editor", purgeScope)) // the scope without the role
			editor.call(t, "note_write", `{"id":"a","text":"my note"}`).has(t, 200, `"uri":"notes://ed/a"`)
			editor.read(t, "notes://ed/a").has(t, 200, `"text":"my note"`)
			editor.call(t, "admin_purge", `{}`).like(t, "admin_purge", editor.call(t, "admin_surge", `{}`), "admin_surge")

			everyday := r.peer(t, era, r.token(t, i, "ada", "admin", "email"))
			everyday.call(t, "echo", `{"text":"hi"}`).has(t, 200, `"text":"hi"`)
			everyday.call(t, "admin_purge", `{}`).has(t, 403,
				`Bearer error="insufficient_scope", scope="notes:admin", resource_metadata="`, `"type":"authorization"`)
			editor.read(t, "notes://ed/a").has(t, 200, `"text":"my note"`)

			admin := r.peer(t, era, r.token(t, i, "ada", "admin", "email "+purgeScope))
			admin.call(t, "admin_purge", `{}`).has(t, 200, `"structuredContent":{"notes":1}`)
			if a := editor.read(t, "notes://ed/a"); strings.Contains(a.body, "my note") || !strings.Contains(a.body, "no such note") {
				t.Errorf("after the purge: %s", a)
			}

			stranger := r.peer(t, era, r.token(t, i, "eve", "guest", ""))
			stranger.call(t, "echo", `{"text":"hi"}`).like(t, "echo", stranger.call(t, "none", `{"text":"hi"}`), "none")
		})
	}
}

func TestLists_ShowWhatTheCallerMayUse(t *testing.T) {
	r, i := withIssuer(t, config{})
	for _, era := range eras {
		for role, want := range map[string][]string{
			"reader": {"echo"}, "editor": {"echo", "note_write"}, "admin": {"echo", "note_write", "admin_purge"}, "guest": nil,
		} {
			p := r.peer(t, era, r.token(t, i, "somebody", role, ""))
			tools := p.ask(t, "tools/list", "", "")
			tools.has(t, 200)
			if got := strings.Count(tools.body, `"inputSchema"`); got != len(want) {
				t.Errorf("%s sees %d tools, want %q: %s", role, got, want, tools)
			}
			for _, name := range want {
				tools.has(t, 200, `"name":"`+name+`"`)
			}
			templates := p.ask(t, "resources/templates/list", "", "")
			if seen := strings.Contains(templates.body, `notes://{owner}/{id}`); seen != (role != "guest") {
				t.Errorf("%s: %s", role, templates)
			}
		}
	}
}

func TestLimits_BeyondThemACallerIsToldWhenToComeBack(t *testing.T) {
	r, i := withIssuer(t, config{})
	for _, era := range eras {
		ed := r.peer(t, era, r.token(t, i, "ed-"+era, "editor", ""))
		for range 20 {
			ed.call(t, "note_write", `{"id":"a","text":"b"}`).has(t, 200)
		}
		a := ed.call(t, "note_write", `{"id":"a","text":"b"}`)
		a.has(t, 429, `"type":"rate_limited"`)
		if s, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || s < 1 || s > 60 {
			t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
		}
		if got := a.header.Get("RateLimit-Policy"); got != `"writes";q=20;w=60` {
			t.Errorf("RateLimit-Policy: %q", got)
		}
		ed.call(t, "echo", `{"text":"hi"}`).has(t, 200)
		r.peer(t, era, r.token(t, i, "ann-"+era, "editor", "")).call(t, "note_write", `{"id":"a","text":"b"}`).has(t, 200)
	}
}
