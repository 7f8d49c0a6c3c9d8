package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/transport"
)

// stores keep what replicas share: the budgets of callers, and their sessions.
type stores struct {
	client rueidis.Client // nil: each replica has its own
	limits []ratelimit.Rule
	kept   transport.SessionStore
}

// openStores takes Redis where there is one.
func (c *config) openStores(events *slog.Logger) (*stores, error) {
	if c.redis.IsZero() {
		return &stores{limits: rules(ratelimit.SlidingWindow(50, time.Second), ratelimit.SlidingWindow(20, time.Minute))}, nil
	}
	client, err := dialRedis(c.redis.Reveal())
	if err != nil {
		return nil, err
	}
	s := &stores{client: client}
	shared, err := redis.NewLimits(client, &redis.LimitOptions{Prefix: c.prefix, Logger: events})
	if err == nil {
		s.limits = rules(shared.SlidingWindow("caller", 50, time.Second), shared.SlidingWindow("writes", 20, time.Minute))
		s.kept, err = redis.NewSessionStore(client, &redis.SessionOptions{Prefix: c.prefix})
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// dialRedis also returns a client while Redis is gone: limits are then a tenth
// for each replica, and new sessions are refused.
func dialRedis(address string) (rueidis.Client, error) {
	if !strings.Contains(address, "://") {
		address = "redis://" + address
	}
	opts, err := rueidis.ParseURL(address)
	if err != nil {
		return nil, errors.New("-redis is not the URL of a Redis") // what is wrong with it may show its password
	}
	opts.ForceSingleClient = true
	client, err := rueidis.NewClient(opts)
	if client == nil {
		return nil, fmt.Errorf("-redis: %w", err)
	}
	return client, nil
}

func (s *stores) close() {
	if s.client != nil {
		s.client.Close()
	}
}

// rules give each caller budgets of its own.
func rules(caller, writes ratelimit.Limiter) []ratelimit.Rule {
	key := ratelimit.By(callerKey)
	return []ratelimit.Rule{
		{Name: "caller", Key: key, Limiter: caller},
		{Name: "writes", Key: key, Limiter: writes, Tools: []string{"note_write"}},
	}
}

func callerKey(ctx context.Context) string {
	who, _ := auth.PrincipalFrom(ctx)
	return who.Key()
}
