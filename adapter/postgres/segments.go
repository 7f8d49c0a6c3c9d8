package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/eventstore"
)

// Segments has a schema for each segment, for package transport/resume. The role
// of the pool needs the right to create schemas in its database. The pool stays
// the caller's.
type Segments struct {
	Pool *pgxpool.Pool
	// Prefix is how the names of the schemas begin; the number follows. No other
	// schema may have such a name: it would be dropped. Empty means
	// "trestle_streams_". It has at most 40 bytes.
	Prefix string
}

func (s Segments) prefix() string {
	if s.Prefix == "" {
		return "trestle_streams_"
	}
	return s.Prefix
}

// Open opens the store in the schema of a segment.
func (s Segments) Open(ctx context.Context, n int64) (eventstore.Backend, error) {
	b, err := Open(ctx, s.Pool, &Options{Schema: s.prefix() + strconv.FormatInt(n, 10)})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Drop drops the schemas of all segments whose number is less.
func (s Segments) Drop(ctx context.Context, before int64) error {
	rows, err := s.Pool.Query(ctx, `select nspname from pg_namespace where starts_with(nspname, $1)`, s.prefix())
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		n, err := strconv.ParseInt(strings.TrimPrefix(name, s.prefix()), 10, 64)
		if err != nil || n >= before {
			continue
		}
		_, err = s.Pool.Exec(ctx, "drop schema if exists "+pgx.Identifier{name}.Sanitize()+" cascade")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
