package main

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/eventstore"
)

// deliverAll delivers, until ctx ends, what the ledger finds on its way: what was
// paid before the process was killed, here or anywhere else. A transfer that is
// just being delivered is delivered once all the same.
func (l *ledger) deliverAll(ctx context.Context, every time.Duration, log *zap.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := l.deliverOnce(ctx); err != nil && ctx.Err() == nil {
			log.Warn("transfers are on their way still; trying again", zap.Error(err))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *ledger) deliverOnce(ctx context.Context) error {
	head, err := l.store.Head(ctx)
	if err != nil {
		return err
	}
	if err := l.balances.Wait(ctx, head); err != nil {
		return err
	}
	var waiting []transit
	err = l.store.View(ctx, balances.Name, func(ctx context.Context, v *eventstore.View) error {
		waiting = nil
		for e, err := range v.All(ctx, transitPrefix) {
			var t transit
			if err == nil {
				err = e.Decode(&t)
			}
			if err != nil {
				return err
			}
			if waiting = append(waiting, t); len(waiting) == 1000 {
				return nil // the rest comes next time
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var failed []error // one that cannot be delivered holds up no other
	for _, t := range waiting {
		failed = append(failed, l.deliver(ctx, t))
	}
	return errors.Join(failed...)
}
