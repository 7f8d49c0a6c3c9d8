package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trestle-mcp/trestle/eventstore"
)

// After is what the end of a prefix is made with.
var After = after

// Explain returns the plan of a page.
func (b *Backend) Explain(ctx context.Context, q eventstore.AllQuery) (string, error) {
	sql, args := b.selectAll(q, 1<<62)
	rows, err := b.pool.Query(ctx, "explain "+sql, args...)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}
