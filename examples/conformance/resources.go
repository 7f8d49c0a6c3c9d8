package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/trestle-mcp/trestle/server"
)

const watched = "test://watched-resource"

// The variables of the template, and what it answers with.
type (
	templateVars struct {
		ID string `json:"id" jsonschema:"any text"`
	}
	templateData struct {
		ID   string `json:"id"`
		Test bool   `json:"templateTest"`
		Data string `json:"data"`
	}
)

func addResources(s *server.Server) {
	_ = server.AddResource(s, server.Resource{
		URI: "test://static-text", Name: "static-text", MIMEType: "text/plain", Description: "A text.",
	}, func(context.Context) (string, error) {
		return "This is the content of the static text resource.", nil
	})
	_ = server.AddResource(s, server.Resource{
		URI: "test://static-binary", Name: "static-binary", MIMEType: "image/png", Description: "An image.",
	}, func(context.Context) ([]byte, error) { return pixel, nil })
	_ = server.AddResourceTemplate(s, server.ResourceTemplate{
		URITemplate: "test://template/{id}/data", Name: "template", MIMEType: "application/json",
		Description: "Data made up for any id.",
	}, func(_ context.Context, v templateVars) (string, error) {
		raw, err := json.Marshal(templateData{ID: v.ID, Test: true, Data: "Data for ID: " + v.ID})
		return string(raw), err
	})
	_ = server.AddResource(s, server.Resource{
		URI: watched, Name: "watched-resource", MIMEType: "text/plain", Description: "Changes every three seconds.",
	}, func(context.Context) (string, error) {
		return "The time is " + time.Now().UTC().Format(time.RFC3339) + ".", nil
	})
}

// touchWatched tells subscribers every three seconds that the watched resource
// changed, until ctx ends.
func touchWatched(ctx context.Context, s *server.Server) {
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.ResourceUpdated(ctx, watched); err != nil {
				slog.Warn("subscribers not told", "error", err)
			}
		}
	}
}
