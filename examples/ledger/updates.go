package main

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/server"
)

// tellUpdates tells the subscribers of the balances, until ctx ends, that they
// changed, here or at another replica.
func (l *ledger) tellUpdates(ctx context.Context, srv *server.Server) {
	err := l.eachUpdate(ctx, func() error { return srv.ResourceUpdated(ctx, balancesURI) })
	if !errors.Is(err, context.Canceled) && !errors.Is(err, eventstore.ErrClosed) {
		srv.Logger().Error("nobody is told of changed balances any more", zap.Error(err))
	}
}

func (l *ledger) eachUpdate(ctx context.Context, tell func() error) error {
	head, err := l.store.Head(ctx)
	if err != nil {
		return err
	}
	for e, err := range l.store.Subscribe(ctx, head, balances.Filter) {
		if err != nil {
			return err
		}
		if err := errors.Join(l.balances.Wait(ctx, e.Position), tell()); err != nil {
			return err
		}
	}
	return nil
}
