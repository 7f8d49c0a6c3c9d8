package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"
)

// absent skips a test for want of a real service, and fails it in CI.
func absent(t *testing.T, what string, err error) {
	t.Helper()
	if os.Getenv("TRESTLE_CI") != "" {
		t.Fatalf("%s is needed: %v", what, err)
	}
	t.Skipf("%s is not here: %v", what, err)
}

// newDatabase returns the URL of one that ends with the test.
func newDatabase(t *testing.T) string {
	t.Helper()
	at := cmp.Or(os.Getenv("TRESTLE_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, at)
	if err != nil {
		absent(t, "PostgreSQL", err)
	}
	name := "trestle_" + strings.ToLower(rand.Text()[:12])
	if _, err := conn.Exec(ctx, "create database "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := conn.Exec(ctx, "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
		_ = conn.Close(ctx)
	})
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func redisAddr(t *testing.T) string {
	t.Helper()
	o, err := rueidis.ParseURL(cmp.Or(os.Getenv("TRESTLE_REDIS_URL"), "redis://127.0.0.1:6379"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		absent(t, "Redis", err)
	}
	client.Close()
	return o.InitAddress[0]
}

func TestProduction_ReplicasShareNotesAndSessions(t *testing.T) {
	database, redis := newDatabase(t), redisAddr(t)
	var urls []string
	for range 2 {
		c := try(t, "-postgres", database, "-redis", redis)
		c.Drain.Wait = time.Millisecond
		c.Limits.PerSecond = 10_000 // of all who call without a name, in whichever test
		url, admin, _, _ := start(t, c)
		ready(t, admin)
		if _, body := get(t, admin+"/readyz"); !strings.Contains(body, "limits:responseTime") || !strings.Contains(body, "sessions:responseTime") {
			t.Errorf("readyz: %s", body)
		}
		urls = append(urls, url)
	}
	a, b := connect(t, urls[0], "", "2026-07-28"), connect(t, urls[1], "", "2025-11-25")
	if got := call(t, a, "note_write", Note{"shared", "from the first"}); !strings.Contains(got, `"notes":1`) {
		t.Error(got)
	}
	if got := call(t, b, "note_read", NoteID{"shared"}); !strings.Contains(got, "from the first") {
		t.Error(got)
	}
	if got := call(t, b, "events_count", nil); !strings.Contains(got, `"events":1`) {
		t.Error(got)
	}
}
