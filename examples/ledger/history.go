package main

import (
	"context"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

type historyIn struct {
	Account     string `json:"account" validate:"min=1,max=64,printascii"`
	FromVersion int64  `json:"from_version,omitempty" jsonschema:"where to begin; default: with the first" validate:"gte=0"`
}

type historyOut struct {
	Events []entry `json:"events"`
	Next   int64   `json:"next_version,omitempty" jsonschema:"from_version of the next page; left out at the end"`
}

type entry struct {
	Version int64     `json:"version"`
	Type    string    `json:"type"`
	Time    time.Time `json:"time"`
	fact
}

const historyPage = 100

func (l *ledger) history(ctx context.Context, in historyIn) (historyOut, error) {
	out := historyOut{Events: []entry{}}
	if _, _, err := l.load(ctx, in.Account); err != nil {
		return out, err
	}
	for e, err := range l.store.ReadStream(ctx, streamOf(in.Account), in.FromVersion, eventstore.Forward) {
		if err != nil {
			return out, err
		}
		if len(out.Events) == historyPage {
			out.Next = e.Version
			break
		}
		line := entry{Version: e.Version, Type: e.Type, Time: e.Time}
		if err := e.Decode(&line.fact); err != nil {
			return out, err
		}
		out.Events = append(out.Events, line)
	}
	return out, nil
}

type balanceAtIn struct {
	Account string `json:"account" validate:"min=1,max=64,printascii"`
	Version int64  `json:"version" jsonschema:"which version of the account; 1 is its opening" validate:"gte=1"`
}

// balanceAt goes back from today's balance, which a snapshot makes cheap.
func (l *ledger) balanceAt(ctx context.Context, name string, at int64) (receipt, error) {
	a, version, err := l.load(ctx, name)
	if err != nil {
		return receipt{}, err
	}
	if at > version {
		return receipt{}, mcperrors.Errorf(mcperrors.NotFound, "the account has no version %d yet; the last one is %d", at, version)
	}
	for e, err := range l.store.ReadStream(ctx, streamOf(name), at+1, eventstore.Forward) {
		if err != nil {
			return receipt{}, err
		}
		if e.Version > version {
			break
		}
		var f fact
		if err := e.Decode(&f); err != nil {
			return receipt{}, err
		}
		a.Balance -= change(e.Type, f.Amount)
	}
	return receipt{a.Balance, at}, nil
}
