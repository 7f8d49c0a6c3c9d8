package yamldir_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/plugin/yamldir"
)

func Example() {
	path, err := os.MkdirTemp("", "plugins.d")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(path) }()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(path, "weather.yaml"), []byte(text), 0o600); err != nil {
			fmt.Println(err)
		}
	}

	// A server's own is srv.Plugins().
	manager, err := plugin.NewManager(new(table), plugin.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer func() { _ = manager.Close(ctx) }()

	write(description("weather", "1.0.0", "forecast"))
	dir, err := yamldir.Open(ctx, path, manager, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = dir.Close() }()
	show := func() {
		for _, p := range manager.List() {
			fmt.Println(p.Name, p.Version, p.Tools)
		}
	}
	show()

	write(description("weather", "1.1.0", "forecast", "report"))
	if err := dir.Reload(ctx); err != nil { // it would be seen by itself, too
		fmt.Println(err)
	}
	show()

	write("name: weather\nversion: 2\n")
	fmt.Println(dir.Reload(ctx))
	show()
	// Output:
	// weather 1.0.0 [forecast]
	// weather 1.1.0 [forecast report]
	// weather.yaml:2: version: not a text; put it in quotes if it is one
	// weather 1.1.0 [forecast report]
}
