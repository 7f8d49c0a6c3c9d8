package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// query passes the events that a query of all columns finds to each, until that
// returns false. It goes past database/sql, whose conversions would take as long
// as all the rest of a replay: texts and payloads are copied once.
func query(
	ctx context.Context, conn *sql.Conn, text string, args []any, each func(*row) (bool, error),
) error {
	return conn.Raw(func(c any) (err error) {
		q, ok := c.(driver.QueryerContext)
		if !ok {
			return fmt.Errorf("the driver's connection is a %T", c)
		}
		named := make([]driver.NamedValue, len(args))
		for i, a := range args {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
		}
		rows, err := q.QueryContext(ctx, text, named)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		var r row
		for dest := make([]driver.Value, len(rows.Columns())); ; {
			switch err := rows.Next(dest); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			case !r.take(dest):
				return errors.New("an event with columns of other types")
			}
			if more, err := each(&r); err != nil || !more {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	})
}

// take takes over the values of all columns; false means that their types are others.
func (r *row) take(v []driver.Value) bool {
	if len(v) != 10 {
		return false
	}
	var ok [10]bool
	r.position, ok[0] = v[0].(int64)
	r.stream, ok[1] = v[1].(string)
	r.version, ok[2] = v[2].(int64)
	r.id, ok[3] = v[3].(string)
	r.typ, ok[4] = v[4].(string)
	r.schema, ok[5] = v[5].(int64)
	r.time, ok[6] = v[6].(int64)
	r.metadata, ok[7] = v[7].(string)
	r.data, ok[8] = v[8].([]byte)
	r.sum, ok[9] = v[9].(int64)
	ok[8] = ok[8] || v[8] == nil
	return ok == [10]bool{true, true, true, true, true, true, true, true, true, true}
}
