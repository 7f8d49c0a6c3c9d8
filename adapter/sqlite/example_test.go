package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	for range 2 { // the second time the event is there already
		backend, err := sqlite.Open(ctx, filepath.Join(dir, "events.db"), nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		stored, err := eventstore.New(backend, nil).Append(
			ctx, "order-17", eventstore.NoStream,
			eventstore.Event{ID: "command-4711", Type: "order.placed", Data: []byte(`{"amount":1299}`)},
		)
		fmt.Println(len(stored), err, backend.Close())
	}
	// Output:
	// 1 <nil> <nil>
	// 1 <nil> <nil>
}
