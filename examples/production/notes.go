package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/pool"
	"github.com/trestle-mcp/trestle/server"
)

// maxNotes bounds what one caller can make the server keep.
const maxNotes = 1000

type (
	Note struct {
		ID   string `json:"id" jsonschema:"names the note among yours" validate:"alphanum,max=64"`
		Text string `json:"text" validate:"max=4000"`
	}
	NoteID struct {
		ID string `json:"id" validate:"alphanum,max=64"`
	}
	Written struct {
		Notes int `json:"notes" jsonschema:"how many you have"`
	}
	List struct {
		IDs []string `json:"ids"`
	}
	Count struct {
		Events int64 `json:"events" jsonschema:"of all callers, ever"`
	}
)

// A notebook is what the events of one caller come to.
type notebook struct {
	Texts map[string]string `json:"texts"`
}

const noteWritten = "note.written"

func apply(b notebook, e eventstore.Event) (notebook, error) {
	if e.Type != noteWritten {
		return b, nil
	}
	var n Note
	if err := e.Decode(&n); err != nil {
		return b, err
	}
	if b.Texts == nil {
		b.Texts = map[string]string{}
	}
	b.Texts[n.ID] = n.Text
	return b, nil
}

// notes are the tools over the store.
type notes struct {
	books   *eventstore.Repository[notebook]
	readers *pool.Pool[reader]
}

func (n *notes) add(srv *server.Server) {
	// Mistakes in these are returned by Run, all together.
	_ = server.AddTool(srv, server.Tool{
		Name: "note_write", Description: "Keep a note of yours; replaces one of the same id.", Idempotent: true, ClosedWorld: true,
	}, n.write)
	_ = server.AddTool(srv, server.Tool{Name: "note_read", Description: "Read a note of yours.", ReadOnly: true, ClosedWorld: true}, n.read)
	_ = server.AddTool(srv, server.Tool{Name: "note_list", Description: "List the ids of your notes.", ReadOnly: true, ClosedWorld: true}, n.list)
	_ = server.AddTool(srv, server.Tool{Name: "events_count", Description: "Count the events in the store.", ReadOnly: true, ClosedWorld: true}, n.count)
}

// stream is where the caller's events are.
func stream(ctx context.Context) string {
	who, _ := auth.PrincipalFrom(ctx) // all who are nobody share one book, with -no-auth
	sum := sha256.Sum256([]byte(who.Key()))
	return "notes-" + hex.EncodeToString(sum[:16])
}

func (n *notes) write(ctx context.Context, in Note) (Written, error) {
	b, err := n.books.Update(ctx, stream(ctx), func(b notebook) ([]eventstore.Event, error) {
		if _, there := b.Texts[in.ID]; !there && len(b.Texts) >= maxNotes {
			return nil, mcperrors.Errorf(mcperrors.Conflict, "you have %d notes, which is all there is room for", maxNotes)
		}
		e, err := eventstore.NewEvent(noteWritten, in)
		return []eventstore.Event{e}, err
	})
	return Written{len(b.Texts)}, err
}

func (n *notes) read(ctx context.Context, in NoteID) (string, error) {
	b, _, err := n.books.Load(ctx, stream(ctx))
	if err != nil {
		return "", err
	}
	text, there := b.Texts[in.ID]
	if !there {
		return "", mcperrors.Errorf(mcperrors.Validation, "you have no note %q", in.ID)
	}
	return text, nil
}

func (n *notes) list(ctx context.Context, _ struct{}) (List, error) {
	b, _, err := n.books.Load(ctx, stream(ctx))
	ids := slices.Sorted(maps.Keys(b.Texts))
	if ids == nil {
		ids = []string{}
	}
	return List{ids}, err
}

func (n *notes) count(ctx context.Context, _ struct{}) (out Count, err error) {
	err = n.readers.Do(ctx, func(ctx context.Context, r reader) error {
		out.Events, err = r.count(ctx)
		return err
	})
	return out, err
}
