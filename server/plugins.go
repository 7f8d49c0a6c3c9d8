package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/redact"
	"github.com/trestle-mcp/trestle/plugin"
)

// Plugins returns the manager of the server's plugins, to add, replace and remove
// them while it runs. The server closes it, see [Server.Drain].
//
// Every change is logged and, with [Options.Audit], recorded with a Method such as
// "plugins/replace", the principal of the context that the change was made with,
// and the action admin:plugins:name.
func (s *Server) Plugins() *plugin.Manager { return s.plugins }

func (s *Server) addPlugins(plugins []plugin.Plugin) (err error) {
	opts := s.opts.Plugins
	opts.OnEvent = s.pluginChanged
	if s.plugins, err = plugin.NewManager(pluginHost{s}, opts); err != nil || len(plugins) == 0 {
		return err
	}
	return s.plugins.Register(context.Background(), plugins...)
}

// stopGrace is how long plugins have to stop when all other time is up.
const stopGrace = time.Second

// closePlugins stops them until the deadline of ctx.
func (s *Server) closePlugins(ctx context.Context) error {
	limit := stopGrace
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil {
		limit = max(limit, time.Until(deadline))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := s.plugins.Close(ctx); err != nil {
		return fmt.Errorf("stopping plugins: %w", err)
	}
	return nil
}

// pluginChanged tells the log, the audit trail and whoever the options name.
func (s *Server) pluginChanged(ctx context.Context, e plugin.Event) {
	fields := []zap.Field{zap.String("change", string(e.Change)), zap.String("plugin", e.Plugin), zap.Duration("duration", e.Duration)}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, zap.String(key, value))
		}
	}
	add("version", e.Version)
	add("from", e.From)
	add("reason", redact.String(e.Reason))
	add("hash", e.Hash)
	if e.Err != nil {
		add("cause", redact.String(e.Err.Error()))
	}
	switch {
	case e.Failed:
		s.log.Error("plugin change failed", fields...)
	case e.Err != nil || e.Change == plugin.ChangeTrip:
		s.log.Warn("plugin changed", fields...)
	default:
		s.log.Info("plugin changed", fields...)
	}
	s.auditPlugin(ctx, e)
	if tell := s.opts.Plugins.OnEvent; tell != nil {
		tell(ctx, e)
	}
}

// auditTime is how long the sink may take, as for calls.
const auditTime = 10 * time.Second

func (s *Server) auditPlugin(ctx context.Context, e plugin.Event) {
	if s.opts.Audit == nil {
		return
	}
	who, _ := auth.PrincipalFrom(ctx)
	r := &auth.AuditRecord{
		Time: e.Time, Duration: e.Duration, RequestID: RequestID(ctx), Principal: who.Key(),
		Method: "plugins/" + string(e.Change), Outcome: "ok",
		Actions: []auth.Action{{Verb: auth.Admin, Kind: "plugins", Name: e.Plugin}},
	}
	if who != nil {
		r.Tenant = who.Tenant
	}
	if e.Failed {
		r.Outcome = string(mcperrors.CodeOf(e.Err))
	}
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	if err := s.opts.Audit.Audit(ctx, r); err != nil {
		s.log.Error("audit record refused", zap.String("method", r.Method), zap.String("plugin", e.Plugin),
			zap.String("cause", redact.String(err.Error())))
	}
}

// A pluginHost is the server as plugins see it.
type pluginHost struct{ *Server }

// Vet implements [plugin.Host].
func (h pluginHost) Vet(remove, add []*plugin.Feature) error {
	var errs []error
	for _, f := range add {
		if err := vet(f); err != nil {
			errs = append(errs, named(f.Kind, f.Name(), err))
		}
	}
	entries, err := h.all(add)
	if err = errors.Join(append(errs, err)...); err != nil {
		return err
	}
	if err := h.trial(entries); err != nil {
		return err
	}
	now := h.names.now.Load()
	_, err = now.without(now.these(remove)).with(entries)
	return err
}

// Swap implements [plugin.Host].
func (h pluginHost) Swap(remove, add []*plugin.Feature) error {
	entries, err := h.all(add)
	if err != nil {
		return err
	}
	return h.swap(h.names.now.Load().these(remove), entries)
}

func (h pluginHost) all(features []*plugin.Feature) ([]*entry, error) {
	var all []*entry
	var errs []error
	for _, f := range features {
		entries, err := h.entries(f)
		if err != nil {
			errs = append(errs, named(f.Kind, f.Name(), err))
		}
		all = append(all, entries...)
	}
	return all, errors.Join(errs...)
}
