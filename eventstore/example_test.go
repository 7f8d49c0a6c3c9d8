package eventstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/trestle-mcp/trestle/eventstore"
)

// account is the state of one bank account.
type account struct{ Balance int }

type moved struct {
	Amount int `json:"amount"`
}

var errPoor = errors.New("not enough money")

func Example() {
	ctx := context.Background()
	backend := eventstore.NewMemory() // or sqlite.Open(ctx, "bank.db", nil)
	defer backend.Close()
	store := eventstore.New(backend, nil)

	accounts, err := eventstore.NewRepository(store, eventstore.Aggregate[account]{
		Kind: "account",
		Apply: func(a account, e eventstore.Event) (account, error) {
			if e.Type != "money.moved" {
				return a, nil
			}
			var m moved
			err := e.Decode(&m)
			a.Balance += m.Amount
			return a, err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer accounts.Close()

	move := func(amount int) {
		a, err := accounts.Update(ctx, "account-7", func(a account) ([]eventstore.Event, error) {
			if a.Balance+amount < 0 {
				return nil, errPoor
			}
			e, err := eventstore.NewEvent("money.moved", moved{Amount: amount})
			return []eventstore.Event{e}, err
		})
		fmt.Println(a.Balance, err)
	}
	move(100)
	move(-30)
	move(-80)

	for e, err := range store.ReadStream(ctx, "account-7", 0, eventstore.Forward) {
		fmt.Println(e.Version, e.Type, string(e.Data), err)
	}
	// Output:
	// 100 <nil>
	// 70 <nil>
	// 0 not enough money
	// 1 money.moved {"amount":100} <nil>
	// 2 money.moved {"amount":-30} <nil>
}
