package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/trestle-mcp/trestle/adapter/prometheus"
	"github.com/trestle-mcp/trestle/adapter/redis"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
)

// An assembly is a server in the making: what was opened so far is closed when
// the rest fails, and else when the server stops.
type assembly struct {
	*config
	slog    *slog.Logger // of the parts that log with it
	metrics *prometheus.Metrics
	opts    server.Options
	hooks   []shutdown.Hook
	// What is watched: registered once there is a server.
	checks []health.Check
}

// assemble makes the server that c describes. Traces go to out, all else to logs.
func assemble(ctx context.Context, c *config, out, logs io.Writer) (srv *server.Server, err error) {
	log := newLog(logs)
	a := &assembly{config: c, slog: slog.New(slog.NewJSONHandler(logs, nil))}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.abandon())
		}
	}()
	a.opts = server.Options{
		Title: "Notes", Addr: c.Addr, Logger: log,
		Audit:          server.AuditLog(log.Named("audit")),
		DrainWait:      c.Drain.Wait,
		DrainTimeout:   c.Drain.Timeout,
		HealthResource: true,
		Admin:          server.Admin{Addr: c.Admin, Pprof: onLoopback(c.Admin)},
	}
	db, err := openDatabase(ctx, c, a.slog)
	if err != nil {
		return nil, err
	}
	a.closes("events", func(context.Context) error { return db.close() })
	a.closes("readers", db.readers.Close)
	a.checks = append(a.checks,
		health.Check{Name: "events", Kind: "datastore", Checker: db.checks},
		health.Check{Name: "readers", Kind: "datastore", Checker: db.readers, Optional: true})
	books, err := eventstore.NewRepository(db.store, eventstore.Aggregate[notebook]{Kind: "notebook", Apply: apply})
	if err != nil {
		return nil, err
	}
	a.closes("snapshots", func(context.Context) error { books.Close(); return nil })
	if err := a.share(); err != nil {
		return nil, err
	}
	if err := a.secure(ctx); err != nil {
		return nil, err
	}
	if err := a.measure(); err != nil {
		return nil, err
	}
	if err := a.trace(out); err != nil {
		return nil, err
	}
	if srv, err = server.New("production", "1.0.0", &a.opts); err != nil {
		return nil, err
	}
	(&notes{books: books, readers: db.readers}).add(srv)
	if c.chaos {
		addChaos(srv)
	}
	a.expose(srv, db.readers)
	return srv, a.handOver(srv)
}

// closes notes what is to be done at the end, before what was noted earlier.
func (a *assembly) closes(name string, f func(context.Context) error) {
	a.hooks = append(a.hooks, shutdown.Hook{Name: name, Run: f, Timeout: closeTimeout})
}

// closeTimeout is for each of the hooks; see deploy/ for what they come to.
const closeTimeout = time.Second

// handOver lets srv watch and close what was opened.
func (a *assembly) handOver(srv *server.Server) error {
	var mistakes []error
	for _, c := range a.checks {
		_, err := srv.Health().Register(c)
		mistakes = append(mistakes, err)
	}
	if err := errors.Join(mistakes...); err != nil {
		return err
	}
	for _, h := range a.hooks {
		srv.OnShutdown(h)
	}
	a.hooks = nil
	return nil
}

// abandon closes what was opened for a server that cannot be.
func (a *assembly) abandon() error {
	end := shutdown.New(&shutdown.Options{Wait: -1, Drain: -1})
	for _, h := range a.hooks {
		end.Add(h)
	}
	return end.Run(context.Background(), func(context.Context) error { return nil })
}

// share sets the limits, and what replicas share over Redis.
func (a *assembly) share() error {
	perCaller := ratelimit.Rule{Name: "caller", Key: ratelimit.By(callerKey)}
	writes := ratelimit.Rule{Name: "writes", Key: ratelimit.By(callerKey), Tools: []string{"note_write"}}
	perCaller.Limiter = ratelimit.SlidingWindow(a.Limits.PerSecond, time.Second)
	writes.Limiter = ratelimit.SlidingWindow(a.Limits.WritesPerMinute, time.Minute)
	if a.Redis != "" {
		// With ForceSingleClient a server can start while Redis is away.
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{a.Redis}, ForceSingleClient: true})
		if client == nil {
			return fmt.Errorf("-redis: %w", err)
		}
		a.closes("redis", func(context.Context) error { client.Close(); return nil })
		shared, err := redis.NewLimits(client, &redis.LimitOptions{Prefix: "production", Logger: a.slog})
		if err != nil {
			return err
		}
		sessions, err := redis.NewSessionStore(client, &redis.SessionOptions{Prefix: "production"})
		if err != nil {
			return err
		}
		perCaller.Limiter = shared.SlidingWindow("caller", a.Limits.PerSecond, time.Second)
		writes.Limiter = shared.SlidingWindow("writes", a.Limits.WritesPerMinute, time.Minute)
		a.opts.HTTP.SessionStore = sessions // the server watches it by itself
		a.checks = append(a.checks, health.Check{Name: "limits", Kind: "datastore", Checker: shared, Optional: true})
	}
	a.opts.RateLimits, a.opts.RateLimitHeaders = []ratelimit.Rule{perCaller, writes}, true
	return nil
}

// newLog drops nothing under load, as zap's own for production would: an audit
// that has gaps is none.
func newLog(w io.Writer) *zap.Logger {
	format := zap.NewProductionEncoderConfig()
	format.TimeKey, format.EncodeTime, format.EncodeDuration = "time", zapcore.RFC3339NanoTimeEncoder, zapcore.StringDurationEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(format), zapcore.Lock(zapcore.AddSync(w)), zap.InfoLevel))
}
