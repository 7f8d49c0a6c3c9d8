package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/eventstore"
)

// SaveSnapshot implements [eventstore.Snapshots].
func (b *Backend) SaveSnapshot(ctx context.Context, s eventstore.Snapshot) error {
	return b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		_, err := conn.Exec(
			ctx, b.sql.saveSnapshot,
			s.Stream, s.Kind, s.Schema, s.Version, s.EventID, s.State, s.Sum[:],
		)
		return err
	})
}

// LoadSnapshot implements [eventstore.Snapshots].
func (b *Backend) LoadSnapshot(ctx context.Context, stream, kind string) (eventstore.Snapshot, bool, error) {
	s := eventstore.Snapshot{Stream: stream, Kind: kind}
	found := false
	err := b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		var sum []byte
		err := conn.QueryRow(ctx, b.sql.loadSnapshot, stream, kind).
			Scan(&s.Schema, &s.Version, &s.EventID, &s.State, &sum)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		copy(s.Sum[:], sum) // a shorter one does not fit what it is the sum of
		found = err == nil
		return err
	})
	return s, found, err
}
