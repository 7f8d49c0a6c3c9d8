package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/trestle-mcp/trestle/eventstore"
)

// balances is a view of all accounts: their balance under the name of their stream.
var balances = eventstore.Projection{
	Name:   "balances",
	Filter: eventstore.Filter{StreamPrefix: "account-"},
	Apply: func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
		if e.Type != "money.moved" {
			return nil
		}
		var m moved
		if err := e.Decode(&m); err != nil {
			return err
		}
		var balance int
		if _, err := v.Get(ctx, e.Stream, &balance); err != nil {
			return err
		}
		return v.Set(e.Stream, balance+m.Amount)
	},
}

func ExampleProjection() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	backend := eventstore.NewMemory() // or sqlite.Open(ctx, "bank.db", nil)
	defer backend.Close()
	store := eventstore.New(backend, nil)

	projector, err := eventstore.NewProjector(store, balances)
	if err != nil {
		fmt.Println(err)
		return
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := projector.Run(ctx); !errors.Is(err, context.Canceled) {
			fmt.Println(err)
		}
	})

	var last eventstore.Position
	for _, m := range []struct {
		account string
		moved
	}{{"account-7", moved{100}}, {"account-8", moved{20}}, {"account-7", moved{-30}}} {
		e, err := eventstore.NewEvent("money.moved", m.moved)
		if err != nil {
			fmt.Println(err)
			return
		}
		stored, err := store.Append(ctx, m.account, eventstore.Any, e)
		if err != nil {
			fmt.Println(err)
			return
		}
		last = stored[0].Position
	}

	if err := projector.Wait(ctx, last); err != nil { // to read what was just written
		fmt.Println(err)
	}
	err = store.View(ctx, "balances", func(ctx context.Context, v *eventstore.View) error {
		for entry, err := range v.All(ctx, "account-") {
			if err != nil {
				return err
			}
			fmt.Println(entry.Key, string(entry.Value))
		}
		return nil
	})
	fmt.Println(err)

	stop()
	running.Wait()
	// Output:
	// account-7 70
	// account-8 20
	// <nil>
}
