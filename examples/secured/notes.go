package main

import (
	"context"
	"net/url"
	"strings"
	"sync"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/server"
)

// Bounds on what callers can make the server keep.
const (
	maxOwners = 1000
	maxNotes  = 100 // of one owner
)

// purgeScope is what a token needs to purge, beside the permission: a leaked
// token for everyday use cannot.
const purgeScope = "notes:admin"

type (
	Echo struct {
		Text string `json:"text" jsonschema:"what to say" validate:"max=1000"`
	}
	Note struct {
		ID   string `json:"id" jsonschema:"names the note among yours" validate:"alphanum,max=64"`
		Text string `json:"text" validate:"max=4000"`
	}
	Written struct {
		URI string `json:"uri" jsonschema:"where to read the note"`
	}
	Address struct {
		Owner string `json:"owner" validate:"max=255"`
		ID    string `json:"id" validate:"alphanum,max=64"`
	}
	Purged struct {
		Notes int `json:"notes" jsonschema:"how many there were"`
	}
)

// A notebook keeps the notes of all callers, in memory.
type notebook struct {
	mu    sync.Mutex
	texts map[string]map[string]string // by owner's key, by id
}

func addNotes(srv *server.Server) {
	b := &notebook{texts: make(map[string]map[string]string)}
	// Mistakes in these are returned by Run, all together.
	_ = server.AddTool(srv, server.Tool{Name: "echo", Description: "Say something back.", ReadOnly: true, ClosedWorld: true},
		func(_ context.Context, in Echo) (string, error) { return in.Text, nil })
	_ = server.AddTool(srv, server.Tool{
		Name: "note_write", Description: "Keep a note of yours; replaces one of the same id.", Idempotent: true, ClosedWorld: true,
	}, b.write)
	_ = server.AddTool(srv, server.Tool{
		Name: "admin_purge", Description: "Delete all notes of everybody.", Idempotent: true, ClosedWorld: true,
		Require: []string{"admin:access"}, RequireScopes: []string{purgeScope},
	}, b.purge)
	_ = server.AddResourceTemplate(srv, server.ResourceTemplate{
		URITemplate: "notes://{owner}/{id}", Name: "note", Description: "A note of yours.", MIMEType: "text/plain",
	}, b.read)
}

func (b *notebook) write(ctx context.Context, in Note) (Written, error) {
	who, ok := auth.PrincipalFrom(ctx)
	if !ok {
		return Written{}, mcperrors.Errorf(mcperrors.Unauthenticated, "notes need an owner")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	own, known := b.texts[who.Key()]
	if _, there := own[in.ID]; !there && len(own) == maxNotes {
		return Written{}, mcperrors.Errorf(mcperrors.Conflict, "you have %d notes, which is all there is room for", maxNotes)
	}
	if !known {
		if len(b.texts) == maxOwners {
			return Written{}, mcperrors.Errorf(mcperrors.Exhausted, "no room for another caller's notes")
		}
		own = make(map[string]string)
		b.texts[who.Key()] = own
	}
	own[in.ID] = in.Text
	return Written{noteURI(who.Subject, in.ID)}, nil
}

// read answers for another's note as for one that there is not: the same error
// with the same text. The policy cannot say so, as it does not know who owns what.
func (b *notebook) read(ctx context.Context, at Address) (string, error) {
	who, ok := auth.PrincipalFrom(ctx)
	if ok && at.Owner == who.Subject {
		b.mu.Lock()
		defer b.mu.Unlock()
		if text, there := b.texts[who.Key()][at.ID]; there {
			return text, nil
		}
	}
	return "", mcperrors.Errorf(mcperrors.NotFound, "no such note")
}

func (b *notebook) purge(context.Context, struct{}) (out Purged, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, own := range b.texts {
		out.Notes += len(own)
	}
	clear(b.texts)
	return out, nil
}

// noteURI escapes all that a variable of a URI template escapes (RFC 6570,
// section 3.2.2): a subject may be an email address.
func noteURI(owner, id string) string {
	return "notes://" + strings.ReplaceAll(url.QueryEscape(owner), "+", "%20") + "/" + id
}
