package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/secret"
)

// sharing is the configuration of replicas that share a Redis, with keys that no
// other test has; those end with the test.
func sharing(t *testing.T) config {
	t.Helper()
	address := cmp.Or(os.Getenv("TRESTLE_REDIS_URL"), "redis://127.0.0.1:6379")
	client, err := dialRedis(address)
	must(t, err)
	t.Cleanup(client.Close)
	if err := client.Do(t.Context(), client.B().Ping().Build()).Error(); err != nil {
		if os.Getenv("TRESTLE_CI") != "" {
			t.Fatalf("no Redis: %v", err)
		}
		t.Skipf("no Redis: %v", err)
	}
	prefix := "test-" + rand.Text()
	t.Cleanup(func() {
		ctx := context.Background() //nolint:usetesting // that of the test is over
		keys, _ := client.Do(ctx, client.B().Keys().Pattern("*"+prefix+":*").Build()).AsStrSlice()
		if len(keys) > 0 {
			_ = client.Do(ctx, client.B().Del().Key(keys...).Build())
		}
	})
	return config{audience: "http://localhost/mcp", redis: secret.New(address), stateKey: secret.New(strings.Repeat("k", 32)), prefix: prefix}
}

// at is the URL under which the replica is one of localhost.
func (r *running) at() string { return strings.Replace(r.url, "127.0.0.1", "localhost", 1) }

func TestRedis_TwoReplicasShareOneLimit(t *testing.T) {
	c := sharing(t)
	one, i := withIssuer(t, c)
	c.issuer = i.url
	two := start(t, c)
	token, err := i.token("ed", "editor", "", c.audience)
	must(t, err)
	write := func(r *running) answer {
		p := &peer{url: r.at(), version: "2026-07-28", token: token}
		return p.call(t, "note_write", `{"id":"a","text":"b"}`)
	}
	for range 10 {
		write(one).has(t, 200)
		write(two).has(t, 200)
	}
	for _, r := range []*running{one, two} {
		a := write(r)
		a.has(t, 429, `"rule":"writes"`)
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if strings.Contains(one.logs.String(), "deciding without") || strings.Contains(two.logs.String(), "deciding without") {
		t.Error("Redis was not asked")
	}
}

func TestRedis_ASessionMovesToAnotherReplica(t *testing.T) {
	c := sharing(t)
	one, i := withIssuer(t, c)
	c.issuer = i.url
	two := start(t, c)
	token, err := i.token("rita", "reader", "", c.audience)
	must(t, err)
	at := *one
	at.url = one.at()
	p := at.peer(t, "2025-11-25", token)
	p.url = two.at()
	p.call(t, "echo", `{"text":"hi"}`).has(t, 200, `"text":"hi"`)
	other, err := i.token("eve", "reader", "", c.audience)
	must(t, err)
	(&peer{p.url, p.version, other, p.session}).call(t, "echo", `{"text":"hi"}`).has(t, 404)
}

func TestRedis_WithoutItEachReplicaGrantsATenth(t *testing.T) {
	r, i := withIssuer(t, config{redis: secret.New("127.0.0.1:1"), prefix: "unused"})
	p := r.peer(t, "2026-07-28", r.token(t, i, "ed", "editor", ""))
	for range 2 {
		p.call(t, "note_write", `{"id":"a","text":"b"}`).has(t, 200)
	}
	p.call(t, "note_write", `{"id":"a","text":"b"}`).has(t, 429)
}

func TestRedis_AWrongURLIsToldWithoutItsPassword(t *testing.T) {
	_, err := dialRedis("redis://:hunter2@host:port%/")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "-redis") {
		t.Error(err)
	}
}
