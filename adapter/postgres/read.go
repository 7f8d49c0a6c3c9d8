package postgres

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/eventstore"
)

// ReadStream implements [eventstore.Backend]. It sees every event that is
// committed: the order within a stream needs no horizon.
func (b *Backend) ReadStream(ctx context.Context, q eventstore.StreamQuery) (eventstore.Page, error) {
	sql, from := b.sql.forward, q.From
	if q.Backward {
		if sql = b.sql.backward; from == 0 {
			from = math.MaxInt64
		}
	}
	var page eventstore.Page
	err := b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, sql, q.Limit.Events, q.Limit.Bytes, q.Stream, from)
		if err != nil {
			return err
		}
		if page, err = collect(rows); err != nil {
			return err
		}
		// After the events, so that a stream that ends in between is not taken for
		// one that is empty.
		return b.readable(ctx, conn, q.Stream)
	})
	if err != nil {
		return eventstore.Page{}, err
	}
	return page, nil
}

// readable returns the error of a stream that is tombstoned.
func (b *Backend) readable(ctx context.Context, conn *pgxpool.Conn, stream string) error {
	var state eventstore.StreamState
	err := conn.QueryRow(ctx, b.sql.state, stream).Scan(&state.Version, &state.Hidden, &state.Tombstoned)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return state.Admit(stream, eventstore.Any)
}

// ReadAll implements [eventstore.Backend]. A filter that the database cannot hold
// as text is an [*eventstore.InvalidError].
func (b *Backend) ReadAll(ctx context.Context, q eventstore.AllQuery) (eventstore.Page, error) {
	if !isText(q.Filter.StreamPrefix) || slices.ContainsFunc(q.Filter.Types, func(s string) bool { return !isText(s) }) {
		return eventstore.Page{}, &eventstore.InvalidError{Problem: "a filter that is not UTF-8 text without NUL"}
	}
	var page eventstore.Page
	err := b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		horizon, err := b.horizon(ctx, conn)
		if err != nil {
			return err
		}
		sql, args := b.selectAll(q, horizon)
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		if page, err = collect(rows); err != nil {
			return err
		}
		page.Next = q.After
		if n := len(page.Events); n > 0 {
			page.Next = page.Events[n-1].Position
		}
		if page.End && filters(q.Filter) {
			head, err := b.headBelow(ctx, conn, horizon)
			if err != nil {
				return err
			}
			if head.Compare(page.Next) > 0 {
				page.Next = head
			}
		}
		return nil
	})
	if err != nil {
		return eventstore.Page{}, err
	}
	return page, nil
}

// isText reports whether the database can hold s.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func filters(f eventstore.Filter) bool { return f.StreamPrefix != "" || len(f.Types) > 0 }

// selectAll returns the query of a page. One with a filter is planned for its
// values, since which index serves best depends on how much they select.
func (b *Backend) selectAll(q eventstore.AllQuery, horizon int64) (string, []any) {
	tx, ord := parts(q.After)
	args := []any{q.Limit.Events, q.Limit.Bytes, horizon, tx, ord}
	if !filters(q.Filter) {
		return b.sql.pageOfAll, args
	}
	where := ""
	add := func(condition string, value any) {
		args = append(args, value)
		where += strings.ReplaceAll(condition, "$", "$"+strconv.Itoa(len(args)))
	}
	if len(q.Filter.Types) == 1 {
		add(" AND type = $", q.Filter.Types[0])
	} else if len(q.Filter.Types) > 1 {
		add(" AND type = ANY ($)", q.Filter.Types)
	}
	if prefix := q.Filter.StreamPrefix; prefix != "" {
		add(" AND stream >= $", prefix)
		if end, ok := after(prefix); ok {
			add(" AND stream < $", end)
		}
	}
	sql := strings.Replace(b.sql.pageOfAll, whereAll, whereAll+where, 1)
	return sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)
}

// after returns the first text behind all that begin with prefix, in the order
// of bytes, or false where there is none.
func after(prefix string) (string, bool) {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch last {
		case utf8.MaxRune:
			continue // has no next: the one before it is raised
		case 0xD7FF:
			last = 0xE000 // over the surrogates, which are no text
		default:
			last++
		}
		return prefix + string(last), true
	}
	return "", false
}

// collect reads a page of the form of bounded.
func collect(rows pgx.Rows) (eventstore.Page, error) {
	total := 0
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (eventstore.Event, error) {
		return scanEvent(row, &total)
	})
	return eventstore.Page{Events: events, End: total == len(events)}, err
}

// Head implements [eventstore.Backend].
func (b *Backend) Head(ctx context.Context) (eventstore.Position, error) {
	var head eventstore.Position
	err := b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		horizon, err := b.horizon(ctx, conn)
		if err == nil {
			head, err = b.headBelow(ctx, conn, horizon)
		}
		return err
	})
	return head, err
}

// headBelow returns the position of the last event below a horizon.
func (b *Backend) headBelow(ctx context.Context, conn *pgxpool.Conn, horizon int64) (eventstore.Position, error) {
	var tx, ord int64
	err := conn.QueryRow(ctx, b.sql.head, horizon).Scan(&tx, &ord)
	if errors.Is(err, pgx.ErrNoRows) {
		return eventstore.Position{}, nil
	}
	return position(tx, ord), err
}
