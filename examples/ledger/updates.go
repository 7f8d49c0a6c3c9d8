package main

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/server"
)

// tellUpdates tells the subscribers of the balances, until ctx ends, that they
// changed, here or at another replica. After a failure it tries again.
func (l *ledger) tellUpdates(ctx context.Context, every time.Duration, srv *server.Server) {
	for ctx.Err() == nil {
		err := l.eachUpdate(ctx, func() error { return srv.ResourceUpdated(ctx, balancesURI) })
		if ctx.Err() == nil {
			srv.Logger().Warn("nobody is told of changed balances; trying again", zap.Error(err))
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
		}
	}
}

// eachUpdate tells once when it has begun, for what came while nobody was told.
func (l *ledger) eachUpdate(ctx context.Context, tell func() error) error {
	head, err := l.store.Head(ctx)
	if err == nil {
		err = tell()
	}
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
