package main

import (
	"context"
	_ "embed"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/server"
)

var (
	//go:embed pixel.png
	pixel []byte
	//go:embed silence.wav
	silence []byte
)

// addContentTools adds a tool for each kind of content: what a handler returns
// decides what clients get.
func addContentTools(s *server.Server) {
	_ = server.AddTool(s, harmless("test_simple_text", "Answers with a text."),
		func(context.Context, nothing) (string, error) {
			return "This is a simple text response for testing.", nil
		})
	_ = server.AddTool(s, harmless("test_image_content", "Answers with an image."),
		func(context.Context, nothing) (*mcp.ImageContent, error) { return image(), nil })
	_ = server.AddTool(s, harmless("test_audio_content", "Answers with a sound."),
		func(context.Context, nothing) (*mcp.AudioContent, error) {
			return &mcp.AudioContent{MIMEType: "audio/wav", Data: silence}, nil
		})
	_ = server.AddTool(s, harmless("test_embedded_resource", "Answers with a resource."),
		func(context.Context, nothing) (*mcp.EmbeddedResource, error) {
			return embedded("test://embedded-resource"), nil
		})
	_ = server.AddTool(s, harmless("test_multiple_content_types", "Answers with a text, an image and a resource."),
		func(context.Context, nothing) ([]mcp.Content, error) {
			words := &mcp.TextContent{Text: "Multiple content types test:"}
			return []mcp.Content{words, image(), embedded("test://mixed-content-resource")}, nil
		})
	// An error that says conflict, validation or timeout is for the model to
	// read: an answer with isError.
	_ = server.AddTool(s, harmless("test_error_handling", "Always fails."),
		func(context.Context, nothing) (string, error) {
			return "", mcperrors.Errorf(mcperrors.Conflict, "This tool intentionally returns an error for testing")
		})
}

func image() *mcp.ImageContent { return &mcp.ImageContent{MIMEType: "image/png", Data: pixel} }

func embedded(uri string) *mcp.EmbeddedResource {
	return &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{
		URI: uri, MIMEType: "text/plain", Text: "This is an embedded resource for testing.",
	}}
}
