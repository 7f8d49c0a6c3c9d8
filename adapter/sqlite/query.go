package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	sqlite "modernc.org/sqlite"
)

// query passes the events that a query finds to each, in its order, until that
// returns false. From names the table, and where has conditions of which an
// index answers all; others are the filter, which may be empty. The row is valid
// until each returns.
//
// Events are not fetched by columns, since each column of each row would take
// locks that together cost more than all the rest of a replay. They are arguments
// of a function, which is a condition of the query and never true, so that one
// step goes through all rows. An order that the index does not give by itself
// would come too late for that.
func query(
	ctx context.Context, conn *sql.Conn, q eventQuery, each func(*row) (bool, error),
) error {
	s := &sink{ctx: ctx, each: each}
	id := sinks.add(s)
	defer sinks.remove(id)
	return conn.Raw(func(c any) (err error) {
		qc, ok := c.(driver.QueryerContext)
		if !ok {
			return fmt.Errorf("the driver's connection is a %T", c)
		}
		args := q.args(id)
		named := make([]driver.NamedValue, len(args))
		for i, a := range args {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
		}
		rows, err := qc.QueryContext(ctx, q.text(), named)
		if err != nil {
			return s.blame(err)
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		err = rows.Next(make([]driver.Value, 1))
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return s.blame(err)
	})
}

// An eventQuery selects events.
type eventQuery struct {
	from       string // with the index
	where      string
	whereArgs  []any
	filter     string // may be empty
	filterArgs []any
	order      string
	most       int64 // how many there are, 0 when that is not known
}

func (q eventQuery) text() string {
	take := takeName + "(?, " + columns + ")"
	if q.filter != "" {
		take = "CASE WHEN " + q.filter + " THEN " + take + " END"
	}
	return "SELECT 1 FROM " + q.from + " WHERE " + q.where + " AND " + take + " ORDER BY " + q.order
}

func (q eventQuery) args(id int64) []any {
	return append(append(append([]any{}, q.whereArgs...), q.filterArgs...), id)
}

// A sink is where the events of a query go.
type sink struct {
	ctx  context.Context
	each func(*row) (bool, error)
	row  row
	err  error
}

// blame returns the error of the sink, or else that of SQLite.
func (s *sink) blame(err error) error {
	if s.err != nil {
		return s.err
	}
	return err
}

// take returns 1 to end the query.
func (s *sink) take(args []driver.Value) (int64, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	if !s.row.take(args) {
		s.err = errors.New("an event with columns of other types")
		return 0, s.err
	}
	more, err := s.each(&s.row)
	if s.err = err; err != nil {
		return 0, err
	}
	if more {
		return 0, nil
	}
	return 1, nil
}

// sinkTable finds the sink of a query by the number that is its argument.
type sinkTable struct {
	last atomic.Int64
	m    sync.Map // int64 to *sink
}

var sinks sinkTable

func (t *sinkTable) add(s *sink) int64 {
	id := t.last.Add(1)
	t.m.Store(id, s)
	return id
}

func (t *sinkTable) remove(id int64) { t.m.Delete(id) }

const takeName = "trestle_take"

// registerTake makes the function known to connections that are opened later.
var registerTake = sync.OnceValue(func() error {
	return sqlite.RegisterFunction(takeName, &sqlite.FunctionImpl{
		NArgs: 11, VolatileArgs: true,
		Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			id, _ := args[0].(int64)
			found, _ := sinks.m.Load(id)
			s, ok := found.(*sink)
			if !ok {
				return nil, errors.New(takeName + " is called by this package only")
			}
			done, err := s.take(args[1:])
			return done, err
		},
	})
})

// take takes over the values of all columns; false means that their types are
// others. Texts and data are SQLite's own memory.
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
