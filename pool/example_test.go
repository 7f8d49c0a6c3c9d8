package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trestle-mcp/trestle/pool"
)

type conn struct{ name string }

func dial(_ context.Context) (*conn, error) { return &conn{"db"}, nil }

func (c *conn) Close() error { return nil }

func Example() {
	ctx := context.Background()
	conns, err := pool.New(pool.Config[*conn]{
		Name:    "database",
		Create:  dial,
		Destroy: func(_ context.Context, c *conn) error { return c.Close() },
		MaxSize: 4,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = conns.Do(ctx, func(_ context.Context, c *conn) error {
		fmt.Println("using", c.name)
		return nil
	})
	fmt.Println(err, conns.Stats().Idle)

	closing, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	fmt.Println(conns.Close(closing))
	// Output:
	// using db
	// <nil> 1
	// <nil>
}

func ExamplePool_Acquire() {
	ctx := context.Background()
	conns, err := pool.New(pool.Config[*conn]{Create: dial, MaxSize: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	lease, err := conns.Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release()

	_, err = conns.TryAcquire(ctx)
	if full, ok := errors.AsType[*pool.ExhaustedError](err); ok {
		fmt.Println(full.InUse, "in use,", full.Waiting, "waiting")
	}
	c, err := lease.Value()
	fmt.Println(c.name, err)

	lease.Release() // once more at the end of the function, which is harmless
	_, err = lease.Value()
	fmt.Println(err)
	// Output:
	// 1 in use, 1 waiting
	// db <nil>
	// pool: used after it was released
}

// One client for each caller, opened when it is first needed.
func ExampleKeyed() {
	ctx := context.Background()
	clients, err := pool.NewKeyed(pool.KeyedConfig[string, *conn]{
		Name:        "crm",
		Open:        func(_ context.Context, user string) (*conn, error) { return &conn{"for " + user}, nil },
		Close:       func(_ context.Context, c *conn) error { return c.Close() },
		MaxKeys:     100,
		IdleTimeout: 10 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ann", "bob", "ann"} {
		_ = clients.Do(ctx, user, func(_ context.Context, c *conn) error {
			fmt.Println(c.name)
			return nil
		})
	}
	fmt.Println(clients.Stats().Opened, "opened")
	fmt.Println(clients.Close(ctx))
	// Output:
	// for ann
	// for bob
	// for ann
	// 2 opened
	// <nil>
}
