package plugin_test

import (
	"context"
	"fmt"

	"github.com/trestle-mcp/trestle/plugin"
)

// A server makes its own manager and is its host; see server.Server.Plugins.
func ExampleNewManager() {
	ctx := context.Background()
	host := &table{}
	m, err := plugin.NewManager(host, plugin.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = m.Close(ctx) }()

	err = m.Register(ctx,
		&part{name: "app", version: "2.0.0", requires: []plugin.Requirement{{Name: "db", Range: "^1.2"}}, register: tools("…", "search")},
		&part{name: "db", version: "1.4.0"})
	fmt.Println(err, host.names())
	fmt.Println(m.Unregister(ctx, "db"))
	fmt.Println(m.Unregister(ctx, "db", plugin.Cascade), len(m.List()))
	// Output:
	// <nil> search
	// conflict: plugin "db": required by app
	// <nil> 0
}
