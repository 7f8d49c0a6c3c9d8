package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

func TestNotes_AnothersAnswersLikeOneThatDoesNotExist(t *testing.T) {
	r, i := withIssuer(t, config{})
	for _, era := range eras {
		ed := r.peer(t, era, r.token(t, i, "ed", "editor", ""))
		ed.call(t, "note_write", `{"id":"real","text":"canary"}`).has(t, 200)
		for _, role := range []string{"reader", "editor", "admin"} {
			p := r.peer(t, era, r.token(t, i, "mo", role, purgeScope))
			hidden := p.read(t, "notes://ed/real")
			hidden.has(t, p.read(t, "notes://mo/none").status, "no such note")
			for _, absent := range []string{"notes://ed/none", "notes://mo/none", "notes://mo/real", "notes://xy/real"} {
				hidden.like(t, "notes://ed/real", p.read(t, absent), absent)
			}
		}
		mo := r.peer(t, era, r.token(t, i, "mo", "editor", ""))
		mo.call(t, "note_write", `{"id":"mine","text":"mine"}`).has(t, 200)
		mo.read(t, "notes://ed/mine").like(t, "notes://ed/mine", mo.read(t, "notes://ed/none"), "notes://ed/none")
		ed.read(t, "notes://ed/real").has(t, 200, "canary")
	}
}

func TestNotes_IDsAreSafe(t *testing.T) {
	r, i := withIssuer(t, config{})
	for _, era := range eras {
		ed := r.peer(t, era, r.token(t, i, "ed", "editor", ""))
		for _, id := range []string{"", "..", "a/b", "a b", "ä", "%2e", strings.Repeat("a", 65)} {
			a := ed.call(t, "note_write", fmt.Sprintf(`{"id":%q,"text":"b"}`, id))
			if !strings.Contains(a.body, "validation") || !strings.Contains(a.body, "id") {
				t.Errorf("%q: %s", id, a)
			}
		}
	}
}

func TestNotes_AnySubjectReadsWhereItsNoteIsSaidToBe(t *testing.T) {
	r, i := withIssuer(t, config{})
	for _, subject := range []string{"ann@example.com", "auth0|12 3", "a/b+c~é", "CN=x, O=y", "100%", strings.Repeat("s", 255)} {
		for _, era := range eras {
			p := r.peer(t, era, r.token(t, i, subject, "editor", ""))
			uri := noteURI(subject, "a1")
			p.call(t, "note_write", `{"id":"a1","text":"canary"}`).has(t, 200, `"uri":"`+uri+`"`)
			p.read(t, uri).has(t, 200, "canary")
		}
	}
	if got := noteURI("a b", "1"); got != "notes://a%20b/1" {
		t.Error(got)
	}
}

func TestNotebook_IsBounded(t *testing.T) {
	b := &notebook{texts: make(map[string]map[string]string)}
	write := func(subject string, n int) error {
		ctx := auth.WithPrincipal(t.Context(), &auth.Principal{Issuer: "https://i", Subject: subject})
		_, err := b.write(ctx, Note{ID: fmt.Sprint(n), Text: "x"})
		return err
	}
	for n := range maxNotes {
		must(t, write("0", n))
	}
	if err := write("0", maxNotes); mcperrors.CodeOf(err) != mcperrors.Conflict {
		t.Errorf("one more note: %v", err)
	}
	must(t, write("0", 1)) // in the place of another
	for owner := 1; owner < maxOwners; owner++ {
		must(t, write(fmt.Sprint(owner), 1))
	}
	if err := write("more", 1); mcperrors.CodeOf(err) != mcperrors.Exhausted {
		t.Errorf("one more owner: %v", err)
	}
	must(t, write("1", 2))
	out, err := b.purge(t.Context(), struct{}{})
	if err != nil || out.Notes != maxNotes+maxOwners {
		t.Errorf("purged %+v, %v", out, err)
	}
	must(t, write("more", 1))
	if _, err := b.write(t.Context(), Note{ID: "a"}); mcperrors.CodeOf(err) != mcperrors.Unauthenticated {
		t.Errorf("of nobody: %v", err)
	}
}
