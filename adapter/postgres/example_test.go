package postgres_test

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	backend, err := postgres.Open(ctx, pool, &postgres.Options{Schema: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()

	store := eventstore.New(backend, nil)
	placed, err := eventstore.NewEvent("order.placed", map[string]int{"amount": 12})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := store.Append(ctx, "order-1", eventstore.NoStream, placed); err != nil {
		fmt.Println(err)
		return
	}
	lag, err := backend.Lag(ctx)
	fmt.Println("held back:", lag.Events, err)
}
