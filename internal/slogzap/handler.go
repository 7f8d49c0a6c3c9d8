// Package slogzap lets go-sdk, which logs with slog, write to a zap logger.
package slogzap

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// New returns a slog logger that writes records of at least level to log.
// Groups become a prefix of the names of their fields.
func New(log *zap.Logger, level slog.Level) *slog.Logger {
	return slog.New(&handler{log: log, min: level})
}

type handler struct {
	log    *zap.Logger
	min    slog.Level
	prefix string
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.min && h.log.Core().Enabled(zapLevel(l))
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	entry := h.log.Check(zapLevel(r.Level), r.Message)
	if entry == nil {
		return nil
	}
	fields := make([]zap.Field, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, h.field(a))
		return true
	})
	entry.Write(fields...)
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := make([]zap.Field, len(attrs))
	for i, a := range attrs {
		fields[i] = h.field(a)
	}
	return &handler{log: h.log.With(fields...), min: h.min, prefix: h.prefix}
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{log: h.log, min: h.min, prefix: h.prefix + name + "."}
}

func (h *handler) field(a slog.Attr) zap.Field {
	return zap.Any(h.prefix+a.Key, a.Value.Resolve().Any())
}

func zapLevel(l slog.Level) zapcore.Level {
	switch {
	case l >= slog.LevelError:
		return zap.ErrorLevel
	case l >= slog.LevelWarn:
		return zap.WarnLevel
	case l >= slog.LevelInfo:
		return zap.InfoLevel
	}
	return zap.DebugLevel
}
