package main

import (
	"context"

	"github.com/trestle-mcp/trestle/eventstore"
)

// A request names itself, so that it can be repeated until there is an answer.
type request struct {
	Amount    int64  `json:"amount" jsonschema:"in cents" validate:"min=1,max=1000000000000"`
	RequestID string `json:"request_id" jsonschema:"a name for this request, of your choice; repeat it with the same one if there was no answer" validate:"min=1,max=128,printascii"`
}

type moneyIn struct {
	Account string `json:"account" validate:"min=1,max=64,printascii"`
	request
}

type transferIn struct {
	From string `json:"from" jsonschema:"account that pays" validate:"min=1,max=64,printascii"`
	To   string `json:"to" jsonschema:"account that is paid" validate:"min=1,max=64,printascii,nefield=From"`
	request
}

func (l *ledger) deposit(ctx context.Context, in moneyIn) (receipt, error) {
	return l.change(ctx, deposited, in.Account, "", in.request, nil)
}

func (l *ledger) withdraw(ctx context.Context, in moneyIn) (receipt, error) {
	return l.change(ctx, withdrawn, in.Account, "", in.request, nil)
}

// transfer takes the money and then gives it. With the event in the stream of
// the payer the transfer has happened: from there on it only has to be
// delivered, here or by whoever finds it undelivered.
func (l *ledger) transfer(ctx context.Context, in transferIn) (receipt, error) {
	to, _, err := l.load(ctx, in.To)
	if err != nil {
		return receipt{}, err
	}
	r, err := l.change(ctx, sent, in.From, in.To, in.request, to.refusal(in.Amount))
	if err != nil {
		return receipt{}, err
	}
	return r, l.deliver(ctx, transit(in))
}

func (l *ledger) change(ctx context.Context, typ, account, other string, r request, against error) (receipt, error) {
	e, err := eventOf(typ, other, r)
	if err != nil {
		return receipt{}, err
	}
	return l.record(ctx, account, e, change(typ, r.Amount), against)
}

// A transit is a transfer that was paid and is to be delivered.
type transit struct {
	From string `json:"from"`
	To   string `json:"to"`
	request
}

// deliver gives the money, once: the ID of the event follows from the request.
func (l *ledger) deliver(ctx context.Context, t transit) error {
	e, err := eventOf(received, t.From, t.request)
	if err != nil {
		return err
	}
	_, err = l.store.Append(ctx, streamOf(t.To), eventstore.Exists, e)
	return said(err)
}

// eventOf makes the event of a request: the same one, with the same ID, however
// often it is repeated. No other request has that ID, for whatever account.
func eventOf(typ, other string, r request) (eventstore.Event, error) {
	e, err := eventstore.NewEvent(typ, fact{Amount: r.Amount, Other: other, RequestID: r.RequestID})
	e.ID = "request:" + r.RequestID
	e.Metadata.Correlation = r.RequestID
	if typ == received {
		e.Metadata.Causation = e.ID
		e.ID = "received:" + r.RequestID
	}
	return e, err
}
