// Package plugin has capabilities that come and go while a server runs: tools,
// resources and prompts, packaged with their own life.
//
//	type Notes struct{ ... }
//
//	func (*Notes) Name() string    { return "notes" }
//	func (*Notes) Version() string { return "1.2.0" }
//
//	func (n *Notes) Register(r *plugin.Registrar) error {
//		return server.AddTool(r, server.Tool{Name: "search", Description: "Search notes."}, n.search)
//	}
//
//	srv, err := server.New("desk", "1.0.0", nil, &Notes{})
//	...
//	err = srv.Plugins().Replace(ctx, &Notes{...})
//
// A [Plugin] says what it has to a [Registrar]. What else it can do is an optional
// interface of one method each, found by assertion: all of them are in
// optional.go. A [Setup] says how a plugin is used. A [Manager] registers,
// replaces and removes plugins, each change all at once or not at all; a server
// has one.
//
// A call stays in the version of the plugin that it began in. What a plugin does
// wrong is that plugin's error: panics and methods that hang are contained,
// counted and, if they repeat, disable it for a while.
package plugin
