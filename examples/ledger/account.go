package main

import (
	"strings"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// Types of the events of an account. Amounts are positive; the type says which
// way the money goes.
const (
	opened    = "account.opened"
	deposited = "money.deposited"
	withdrawn = "money.withdrawn"
	sent      = "transfer.sent"     // to another account; it may be on its way still
	received  = "transfer.received" // from another account
)

// A fact is the payload of an event: what is not said by its type.
type fact struct {
	Owner     string `json:"owner,omitempty"`
	Amount    int64  `json:"amount,omitempty"` // cents
	Other     string `json:"other,omitempty"`  // account, of a transfer
	RequestID string `json:"request_id,omitempty"`
}

// An account is what follows from the events of its stream.
type account struct {
	Owner   string `json:"owner"`
	Balance int64  `json:"balance"`
}

const streamPrefix = "account-"

func streamOf(account string) string { return streamPrefix + account }

func accountOf(stream string) string { return strings.TrimPrefix(stream, streamPrefix) }

// accounts says how an account follows from its events.
var accounts = eventstore.Aggregate[account]{Kind: "account", SnapshotEvery: 100, Apply: apply}

func apply(a account, e eventstore.Event) (account, error) {
	var f fact
	if err := e.Decode(&f); err != nil {
		return a, err
	}
	if e.Type == opened {
		a.Owner = f.Owner
	}
	a.Balance += change(e.Type, f.Amount) // of a type that nobody knows yet: nothing
	return a, nil
}

// change is what an event does to the balance of its account.
func change(typ string, amount int64) int64 {
	switch typ {
	case deposited, received:
		return amount
	case withdrawn, sent:
		return -amount
	}
	return 0
}

// maxBalance is far from where numbers end, so that what is on its way fits, too.
const maxBalance = int64(1e18)

// refusal says why a balance cannot change like that, or is nil.
func (a account) refusal(change int64) error {
	switch {
	case change < 0 && a.Balance+change < 0:
		return mcperrors.Errorf(mcperrors.Conflict, "the balance is %d cents, %d are not there", a.Balance, -change)
	case change > 0 && a.Balance+change > maxBalance:
		return mcperrors.Errorf(mcperrors.Conflict, "no account holds more than %d cents", maxBalance)
	}
	return nil
}
