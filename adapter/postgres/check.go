package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Check tells whether the store can be read now: nil means yes. Unlike the other
// methods it does not try again, so that who watches it learns at once that the
// server is away. The text of the error names no address.
func (b *Backend) Check(ctx context.Context) error {
	if err := b.begin(); err != nil {
		return err
	}
	defer b.running.Done()
	err := b.once(ctx, time.Now().Add(time.Hour), func(ctx context.Context, conn *pgxpool.Conn) error {
		horizon, err := b.horizon(ctx, conn)
		if err == nil {
			_, err = b.headBelow(ctx, conn, horizon)
		}
		return err
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return public(err)
	}
}
