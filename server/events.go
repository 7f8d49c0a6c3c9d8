package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/internal/absent"
)

// EventsTemplate is under which URIs a server with [Options.Events] has the
// streams of its store.
const EventsTemplate = "events://{stream}{?from}"

// Bounds of one page of a stream.
const (
	maxPageEvents = 100
	maxPageBytes  = 256 << 10
)

// An EventsPage is what a client reads from events://{stream}?from=VERSION, as
// JSON: the events of a stream from a version on, the first one without. A page
// has at most 100 events and about 256 KiB.
type EventsPage struct {
	Stream string      `json:"stream"`
	Events []EventInfo `json:"events"`
	// Next is the URI of the next page; "" where the stream ended.
	Next string `json:"next,omitempty"`
}

// An EventInfo is an event as clients read it. Its payload is in Data if it is
// JSON, else in Base64.
type EventInfo struct {
	ID       string              `json:"id"`
	Type     string              `json:"type"`
	Schema   int                 `json:"schema"`
	Version  int64               `json:"version"`
	Position eventstore.Position `json:"position"`
	Time     time.Time           `json:"time"`
	Metadata eventstore.Metadata `json:"metadata,omitzero"`
	Data     json.RawMessage     `json:"data,omitempty"`
	Base64   []byte              `json:"base64,omitempty"`
	// Erased says that the key of the payload was destroyed.
	Erased bool `json:"erased,omitempty"`
	// Omitted is the size in bytes of a payload that is too large for a page.
	Omitted int `json:"omitted,omitempty"`
}

type eventsURI struct {
	Stream string `json:"stream"`
	From   int64  `json:"from,omitempty" validate:"gte=0"`
}

// addEvents registers what [Options.Events] asks for.
func (s *Server) addEvents() error {
	store := s.opts.Events
	if store == nil {
		return nil
	}
	return AddResourceTemplate(s, ResourceTemplate{
		URITemplate: EventsTemplate, Name: "events", Title: "Events of a stream", MIMEType: "application/json",
		Description: `The events of a stream, oldest first, from a version on. "next" is the URI of the next page.`,
		Require:     []string{"admin:access"},
	}, func(ctx context.Context, in eventsURI) (string, error) {
		page, err := readEvents(ctx, store, in)
		if err != nil {
			return "", err
		}
		text, err := json.Marshal(page)
		return string(text), err
	})
}

func readEvents(ctx context.Context, store *eventstore.Store, in eventsURI) (*EventsPage, error) {
	page := &EventsPage{Stream: in.Stream, Events: []EventInfo{}}
	size := 0
	for e, err := range store.ReadStream(ctx, in.Stream, in.From, eventstore.Forward) {
		if err != nil {
			return nil, noStream(ctx, err)
		}
		info, n, err := describe(e)
		if err != nil {
			return nil, err
		}
		if size += n; len(page.Events) == maxPageEvents || len(page.Events) > 0 && size > maxPageBytes {
			page.Next = "events://" + escape(in.Stream) + "?from=" + strconv.FormatInt(e.Version, 10)
			return page, nil
		}
		page.Events = append(page.Events, info)
	}
	if len(page.Events) == 0 && in.From <= 1 {
		return nil, absent.Resource(URI(ctx), nil)
	}
	return page, nil
}

// escape encodes all but what RFC 3986 calls unreserved, as {stream} demands:
// [url.PathEscape] leaves more, such as the colon of "user:17".
func escape(stream string) string { return strings.ReplaceAll(url.QueryEscape(stream), "+", "%20") }

// noStream makes an absent resource of a stream that there cannot be, or that
// was ended for good.
func noStream(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*eventstore.InvalidError](err); ok || errors.Is(err, eventstore.ErrTombstoned) {
		return absent.Resource(URI(ctx), err)
	}
	return err
}

// describe returns an event for clients, and about how many bytes it takes.
func describe(e eventstore.Event) (EventInfo, int, error) {
	info := EventInfo{
		ID: e.ID, Type: e.Type, Schema: e.Schema, Version: e.Version, Position: e.Position, Time: e.Time,
		Metadata: e.Metadata, Erased: e.Erased,
	}
	switch {
	case len(e.Data) > maxPageBytes:
		info.Omitted = len(e.Data)
	case utf8.Valid(e.Data) && json.Valid(e.Data):
		info.Data = e.Data
	default:
		info.Base64 = e.Data
	}
	text, err := json.Marshal(info)
	return info, len(text), err
}
