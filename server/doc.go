// Package server builds MCP servers: typed tools, resources, prompts and
// completions behind the default production stack, served over HTTP or stdio
// to clients of both protocol eras.
//
//	srv, err := server.New("calc", "1.0.0", nil)
//	...
//	err = server.AddTool(srv, server.Tool{Name: "add", Description: "Add two integers."},
//		func(ctx context.Context, in AddIn) (AddOut, error) {
//			return AddOut{in.A + in.B}, nil
//		})
//	...
//	err = srv.Run(ctx)
//
// # Registration
//
// [AddTool], [AddResource], [AddResourceTemplate] and [AddPrompt] take Go types
// and derive from them what clients see and what every call must pass.
// AddSDKTool, AddRawTool, AddRawResource, AddRawResourceTemplate and
// AddRawPrompt take go-sdk's own handlers unchanged. Registration never panics
// and never replaces: a mistake is an error, which [Server.Run] and
// [Server.Handler] return again, all together. While the server runs, things
// may be added and removed; clients are told.
//
// # In a handler
//
// The context answers: [RequestID], [Logger], [URI], auth.PrincipalFrom;
// [Progress] and [LogToClient] talk to the client; [Elicit] and [Ask] ask it.
// Return errors made by package errors for what the caller should know; any
// other error is internal, and its text goes only to the log.
//
// # Who may do what
//
// Without [Options.Policy] every caller that gets in may do everything: with
// [Options.Auth] every caller that authenticates, else everybody. With it, what
// is not granted is denied and hidden. [View] shows a part of a server.
//
// # Plugins
//
// A plugin is tools, resources and prompts that come and go together, with their
// own life: see package plugin. [New] and [Factory.New] take some, and
// [Server.Plugins] changes them while clients are connected.
//
// # Operation
//
// [Options.Admin] opens a listener for probes, metrics, profiles and build
// information; [Server.Health] watches what tools depend on. A stop of Run says
// first that the server is not ready, lets running calls end, and calls what
// [Server.OnShutdown] was given.
//
// # Many servers alike
//
// A [Factory] holds the options of a house: its logger, limits and middleware.
package server
