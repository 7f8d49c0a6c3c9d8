package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"math"
	"strings"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// A ledger keeps accounts, each as a stream of events.
type ledger struct {
	store    *eventstore.Store
	accounts *eventstore.Repository[account]
	balances *eventstore.Projector
}

func newLedger(backend eventstore.Backend) (*ledger, error) {
	l := &ledger{store: eventstore.New(backend, nil)}
	var err error
	if l.accounts, err = eventstore.NewRepository(l.store, accounts); err != nil {
		return nil, err
	}
	if l.balances, err = eventstore.NewProjector(l.store, balances); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *ledger) close() { l.accounts.Close() }

// A receipt is an account after one of its events.
type receipt struct {
	Balance int64 `json:"balance" jsonschema:"in cents, after this"`
	Version int64 `json:"version" jsonschema:"of the account: how many events it has, this one being the last"`
}

type openIn struct {
	Owner string `json:"owner" jsonschema:"who owns the account" validate:"min=1,max=200"`
}

type openOut struct {
	Account string `json:"account"`
}

func (l *ledger) open(ctx context.Context, in openIn) (openOut, error) {
	name := strings.ToLower(rand.Text()[:13]) // 65 random bits
	e, err := eventstore.NewEvent(opened, fact{Owner: in.Owner})
	if err == nil {
		_, err = l.store.Append(ctx, streamOf(name), eventstore.NoStream, e)
	}
	return openOut{name}, said(err)
}

// record appends the event of a request to an account, once, and returns the
// account after it: for a request that is repeated, as it was then. One that is
// none is refused for the reason against it, if there is one, or if the money is
// not there.
func (l *ledger) record(ctx context.Context, name string, e eventstore.Event, change int64, against error) (receipt, error) {
	for {
		a, version, err := l.load(ctx, name)
		if err != nil {
			return receipt{}, err
		}
		// An append with IDs that are known gives back what is stored, whatever it
		// expects. Expecting what never is asks only that: is it a repetition?
		const never = math.MaxInt64
		expected, refused := version, cmp.Or(against, a.refusal(change))
		if refused != nil {
			expected = never
		}
		stored, err := l.accounts.Save(ctx, streamOf(name), expected, e)
		if _, ok := errors.AsType[*eventstore.ConflictError](err); ok {
			if refused != nil {
				return receipt{}, refused
			}
			continue // somebody else was faster; they cannot be so for ever
		}
		if err != nil {
			return receipt{}, said(err)
		}
		if at := stored[0].Version; at != version+1 {
			return l.balanceAt(ctx, name, at)
		}
		return receipt{a.Balance + change, version + 1}, nil
	}
}

func (l *ledger) load(ctx context.Context, name string) (account, int64, error) {
	a, version, err := l.accounts.Load(ctx, streamOf(name))
	if err == nil && version == 0 {
		err = mcperrors.Errorf(mcperrors.NotFound, "there is no account %q", name)
	}
	return a, version, said(err)
}

// said gives those failures a text that a caller can do something about.
func said(err error) error {
	if _, ok := errors.AsType[*eventstore.DuplicateError](err); ok {
		return mcperrors.Wrap(mcperrors.Conflict, "the request_id was used for something else", err)
	}
	if errors.Is(err, eventstore.ErrNoSpace) || errors.Is(err, eventstore.ErrWritesClosed) {
		return mcperrors.Wrap(mcperrors.Unavailable, "nothing can be recorded now; repeat it later with the same request_id", err)
	}
	return err
}
