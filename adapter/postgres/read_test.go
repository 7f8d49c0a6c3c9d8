package postgres_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

func FuzzAfter_IsBehindThePrefixAndNothingElse(f *testing.F) {
	for _, s := range []string{"a", "az", "\u007f", "\U0010FFFF", "a\U0010FFFF\U0010FFFF", "\uD7FF", "é"} {
		f.Add(s, "tail")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, prefix, other string) {
		if !utf8.ValidString(prefix) || !utf8.ValidString(other) {
			return // a stream's name and a prefix are UTF-8
		}
		end, ok := postgres.After(prefix)
		if !utf8.ValidString(end) {
			t.Fatalf("the end of %q is %q", prefix, end)
		}
		for _, s := range []string{prefix + other, other} {
			within := s >= prefix && (!ok || s < end)
			if within != strings.HasPrefix(s, prefix) {
				t.Errorf("%q between %q and %q: %v", s, prefix, end, within)
			}
		}
	})
}

func TestReadAll_UsesAnIndexForAFilter(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	schema := newSchema(t, pool)
	b := open(t, pool, &postgres.Options{Schema: schema})
	mustExec(t, pool, "insert into "+pgx.Identifier{schema, "events"}.Sanitize()+
		` (tx, ord, stream, version, id, type, schema_version, happened)
		select n, 1, 'stream-' || n, 1, 'id-' || n, 't' || n % 1000, 1, now() from generate_series(1, 30000) n`)
	mustExec(t, pool, "analyze "+pgx.Identifier{schema, "events"}.Sanitize())
	limit := eventstore.PageLimit{Events: 512, Bytes: 1 << 20}
	for _, test := range []struct {
		filter eventstore.Filter
		index  string
	}{
		{eventstore.Filter{StreamPrefix: "stream-123"}, "events_version"},
		{eventstore.Filter{Types: []string{"t7"}}, "events_type"},
		{eventstore.Filter{}, "events_position"},
	} {
		plan, err := b.Explain(t.Context(), eventstore.AllQuery{Filter: test.filter, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, test.index) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("plan of %+v:\n%s", test.filter, plan)
		}
	}
}

func TestReadAll_RefusesAFilterThatIsNoText(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	b := open(t, pool, &postgres.Options{Schema: newSchema(t, pool)})
	for _, f := range []eventstore.Filter{{StreamPrefix: "\xff"}, {StreamPrefix: "a\x00"}, {Types: []string{"t", "\xc3"}}} {
		for _, err := range eventstore.New(b, nil).ReadAll(t.Context(), eventstore.Position{}, f) {
			if _, ok := errors.AsType[*eventstore.InvalidError](err); !ok {
				t.Errorf("%q: %v", f, err)
			}
		}
	}
}

func TestAppend_RefusesANameThatNoIndexHolds(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	b := open(t, pool, &postgres.Options{Schema: newSchema(t, pool)})
	store := eventstore.New(b, &eventstore.Options{Limits: eventstore.Limits{Name: -1}})
	name := make([]rune, 10_000)
	for i := range name {
		name[i] = rune(' ' + rand.IntN(90)) // what does not compress
	}
	_, err := store.Append(t.Context(), "a", eventstore.Any, eventstore.Event{ID: string(name), Type: "t"})
	if _, ok := errors.AsType[*eventstore.InvalidError](err); !ok {
		t.Errorf("append: %v", err)
	}
	if got := ids(t, store, eventstore.Filter{}); len(got) != 0 {
		t.Errorf("the store has %d events", len(got))
	}
}
