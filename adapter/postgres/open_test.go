package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

func mustExec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_ManyReplicasMayStartAtOnce(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 8)
	schema := newSchema(t, pool)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			b, err := postgres.Open(t.Context(), pool, &postgres.Options{Schema: schema, Patience: patience})
			if err != nil {
				t.Errorf("open: %v: %v", err, errors.Unwrap(err))
				return
			}
			defer func() { _ = b.Close() }()
			if _, err := eventstore.New(b, nil).Append(t.Context(), "a", eventstore.Any, eventsOf(fmt.Sprint(i), 1)...); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	wg.Wait()
	if got := ids(t, eventstore.New(open(t, pool, &postgres.Options{Schema: schema}), nil), eventstore.Filter{}); len(got) != 16 {
		t.Errorf("the store has %v", got)
	}
}

func TestOpen_RefusesWhatANewerVersionMade(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	schema := newSchema(t, pool)
	open(t, pool, &postgres.Options{Schema: schema})
	mustExec(t, pool, "insert into "+pgx.Identifier{schema, "migrations"}.Sanitize()+" (version) values (1000)")
	b, err := postgres.Open(t.Context(), pool, &postgres.Options{Schema: schema})
	if mcperrors.CodeOf(err) != mcperrors.Unavailable {
		t.Errorf("open: %v, %v", b, err)
	}
}

func TestOpen_NeedsNoRightToCreateWhereTheSchemaIsReady(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	schema := newSchema(t, pool)
	role := strings.ReplaceAll(schema, " ", "_")
	quoted, in := pgx.Identifier{role}.Sanitize(), pgx.Identifier{schema}.Sanitize()
	mustExec(t, pool, "create role "+quoted+" login")
	t.Cleanup(func() {
		_, err := pool.Exec(context.WithoutCancel(t.Context()), "drop owned by "+quoted+"; drop role "+quoted, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(testURL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	limited := newPool(t, u.String(), t.Name(), 4)
	_, err = postgres.Open(t.Context(), limited, &postgres.Options{Schema: schema})
	if mcperrors.CodeOf(err) != mcperrors.Internal || strings.Contains(err.Error(), schema) {
		t.Errorf("open without rights: %v", err)
	}

	open(t, pool, &postgres.Options{Schema: schema})
	mustExec(t, pool, "grant usage on schema "+in+" to "+quoted)
	mustExec(t, pool, "grant select, insert, update on all tables in schema "+in+" to "+quoted)
	store := eventstore.New(open(t, limited, &postgres.Options{Schema: schema}), nil)
	if _, err := store.Append(t.Context(), "a", eventstore.NoStream, eventsOf("e", 2)...); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, store, eventstore.Filter{}); len(got) != 2 {
		t.Errorf("the store has %v", got)
	}
}

func TestOpen_GoesOnBehindADumpFromAnOlderCluster(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	schema := newSchema(t, pool)
	b := open(t, pool, &postgres.Options{Schema: schema})
	if _, err := eventstore.New(b, nil).Append(t.Context(), "a", eventstore.Any, eventsOf("old", 2)...); err != nil {
		t.Fatal(err)
	}
	// As if that cluster had counted so many transactions more.
	mustExec(t, pool, "update "+pgx.Identifier{schema, "events"}.Sanitize()+" set tx = tx + 1000000000000")

	for i := range 2 {
		store := eventstore.New(open(t, pool, &postgres.Options{Schema: schema}), nil)
		before, err := store.Head(t.Context())
		if err != nil || before.IsZero() {
			t.Fatalf("head: %v, %v", before, err)
		}
		got, err := store.Append(t.Context(), "a", eventstore.Any, eventsOf(fmt.Sprint("new", i), 1)...)
		if err != nil || got[0].Position.Compare(before) <= 0 || got[0].Version != int64(3+i) {
			t.Errorf("append: %+v, %v", got, err)
		}
		if head, err := store.Head(t.Context()); err != nil || head != got[0].Position {
			t.Errorf("head: %v, %v", head, err)
		}
	}
}

func TestOpen_NamesNoAddressWhereThereIsNoServer(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres://secret-user:secret-word@127.0.0.1:1/secret-base")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = postgres.Open(t.Context(), pool, &postgres.Options{Patience: 50 * time.Millisecond})
	if mcperrors.CodeOf(err) != mcperrors.Unavailable {
		t.Fatalf("open: %v", err)
	}
	if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "127.0.0.1") {
		t.Errorf("the public text tells too much: %s", text)
	}
}

func TestOpen_RefusesASchemaNameThatWouldBeCut(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 1)
	if _, err := postgres.Open(t.Context(), pool, &postgres.Options{Schema: strings.Repeat("s", 64)}); mcperrors.CodeOf(err) != mcperrors.Validation {
		t.Errorf("open: %v: %v", err, errors.Unwrap(err))
	}
}
