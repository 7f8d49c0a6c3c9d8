package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

// A projection to a table of its own: each event is counted once, since the table
// and the position of the projection are written by one transaction.
func ExampleTxFrom() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	backend, err := sqlite.Open(ctx, filepath.Join(dir, "events.db"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	store := eventstore.New(backend, nil)

	projector, err := eventstore.NewProjector(store, eventstore.Projection{
		Name: "orders per day",
		Apply: func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
			tx, ok := sqlite.TxFrom(ctx)
			if !ok {
				return errors.New("not on SQLite")
			}
			table := fmt.Sprint("orders_per_day_v", v.Version())
			if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table+" (day TEXT PRIMARY KEY, n INTEGER)"); err != nil {
				return err
			}
			q := "INSERT INTO " + table + " VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n"
			var n int
			if err := tx.QueryRowContext(ctx, q, e.Time.Format("2006-01-02")).Scan(&n); err != nil {
				return err
			}
			fmt.Println(e.Type, n)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var running sync.WaitGroup
	running.Go(func() { _ = projector.Run(ctx) })

	var last []eventstore.Event
	for range 3 {
		last, err = store.Append(ctx, "order-17", eventstore.Any, eventstore.Event{Type: "order.placed"})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(projector.Wait(ctx, last[0].Position))
	stop()
	running.Wait()
	// Output:
	// order.placed 1
	// order.placed 2
	// order.placed 3
	// <nil>
}
