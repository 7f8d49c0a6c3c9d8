package postgres

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trestle-mcp/trestle/eventstore"
)

// position returns the place of an event. Both are positive.
func position(tx, ord int64) eventstore.Position {
	return eventstore.MakePosition(uint64(tx), uint64(ord)) //nolint:gosec // positive
}

// parts returns what a position was made of. One that was never given out lies
// behind everything.
func parts(p eventstore.Position) (tx, ord int64) {
	major, minor := p.Parts()
	const most = 1<<63 - 1
	return int64(min(major, most)), int64(min(minor, 1<<31-1))
}

// scanEvent takes a row of columns, and what stands behind them into more.
func scanEvent(row pgx.Row, more ...any) (eventstore.Event, error) {
	var e eventstore.Event
	var tx, ord int64
	var metadata []byte
	var happened time.Time
	into := []any{&tx, &ord, &e.Stream, &e.Version, &e.ID, &e.Type, &e.Schema, &e.Data, &metadata, &happened}
	if err := row.Scan(append(into, more...)...); err != nil {
		return eventstore.Event{}, err
	}
	e.Position, e.Time = position(tx, ord), happened.UTC()
	if metadata == nil {
		return e, nil
	}
	return e, json.Unmarshal(metadata, &e.Metadata)
}
