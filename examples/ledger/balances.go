package main

import (
	"context"
	"encoding/json"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// balances keeps, under these keys, what to know of all accounts at once. It
// moves with the events in one transaction, so its sums are always right.
var balances = eventstore.Projection{
	Name:   "balances",
	Filter: eventstore.Filter{StreamPrefix: streamPrefix, Types: []string{opened, deposited, withdrawn, sent, received}},
	Apply:  project,
	Lease:  2 * time.Second, // so soon after a crash they move on
}

const (
	totalKey      = "total"
	accountPrefix = "account/" // and the account
	transitPrefix = "transit/" // and the request: money that is on its way
)

// A total is what all accounts hold together, and what is between them.
type total struct {
	Accounts  int64 `json:"accounts"`
	Balance   int64 `json:"balance"`
	InTransit int64 `json:"in_transit"`
}

// A line is one account in the list of balances.
type line struct {
	Account string `json:"account"`
	Owner   string `json:"owner"`
	receipt
}

func project(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
	var f fact
	var all total
	one := line{Account: accountOf(e.Stream)}
	if err := e.Decode(&f); err != nil {
		return err
	}
	if _, err := v.Get(ctx, totalKey, &all); err != nil {
		return err
	}
	if _, err := v.Get(ctx, accountPrefix+one.Account, &one); err != nil {
		return err
	}
	amount := change(e.Type, f.Amount)
	one.Balance, one.Version, all.Balance = one.Balance+amount, e.Version, all.Balance+amount
	switch e.Type {
	case opened:
		one.Owner = f.Owner
		all.Accounts++
	case sent:
		all.InTransit += f.Amount
		t := transit{one.Account, f.Other, request{f.Amount, f.RequestID}}
		if err := v.Set(transitPrefix+f.RequestID, t); err != nil {
			return err
		}
	case received:
		all.InTransit -= f.Amount
		if err := v.Delete(transitPrefix + f.RequestID); err != nil {
			return err
		}
	}
	if err := v.Set(accountPrefix+one.Account, one); err != nil {
		return err
	}
	return v.Set(totalKey, all)
}

// A sheet is what ledger://balances shows: accounts in the order of their names.
type sheet struct {
	total

	Page []line `json:"balances"`
	Next string `json:"next,omitempty"` // URI of the next page
}

const sheetPage = 500

type sheetIn struct {
	After string `json:"after,omitempty" validate:"max=64"`
}

// sheet returns the balances with all that was recorded before it is asked for.
func (l *ledger) sheet(ctx context.Context, in sheetIn) (string, error) {
	head, err := l.store.Head(ctx)
	if err != nil {
		return "", err
	}
	if err := l.balances.Wait(ctx, head); err != nil {
		return "", mcperrors.Wrap(mcperrors.Unavailable, "the balances are not up to date; retry later", err)
	}
	var text []byte
	err = l.store.View(ctx, balances.Name, func(ctx context.Context, v *eventstore.View) error {
		s := sheet{Page: []line{}}
		if _, err := v.Get(ctx, totalKey, &s.total); err != nil {
			return err
		}
		if err := s.fill(ctx, v, in.After); err != nil {
			return err
		}
		text, err = json.Marshal(s)
		return err
	})
	return string(text), err
}

func (s *sheet) fill(ctx context.Context, v *eventstore.View, after string) error {
	for e, err := range v.AllAfter(ctx, accountPrefix, accountPrefix+after) {
		if err != nil {
			return err
		}
		var one line
		if err := e.Decode(&one); err != nil {
			return err
		}
		if len(s.Page) == sheetPage {
			s.Next = balancesURI + "?after=" + s.Page[sheetPage-1].Account
			return nil
		}
		s.Page = append(s.Page, one)
	}
	return nil
}
