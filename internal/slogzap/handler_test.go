package slogzap_test

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/trestle-mcp/trestle/internal/slogzap"
)

func TestHandler_WritesRecordsWithTheirLevelFieldsAndGroups(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	log := slogzap.New(zap.New(core), slog.LevelInfo)
	log.Debug("below the level")
	log.With("a", 1).WithGroup("g").With("b", 2).WithGroup("").Warn("careful", "c", slog.GroupValue(slog.Int("d", 3)))
	log.Error("broken")
	log.Info("fine")

	all := logs.All()
	if len(all) != 3 {
		t.Fatalf("%d records: %v", len(all), all)
	}
	for i, want := range []zapcore.Level{zapcore.WarnLevel, zapcore.ErrorLevel, zapcore.InfoLevel} {
		if all[i].Level != want {
			t.Errorf("record %d: level %v, want %v", i, all[i].Level, want)
		}
	}
	got := all[0].ContextMap()
	if diff := cmp.Diff([]any{int64(1), int64(2)}, []any{got["a"], got["g.b"]}); diff != "" || got["g.c"] == nil {
		t.Errorf("fields %v: %s", got, diff)
	}
}

func TestHandler_AsksTheLoggerWhetherALevelIsOn(t *testing.T) {
	core, _ := observer.New(zapcore.ErrorLevel)
	log := slogzap.New(zap.New(core), slog.LevelDebug)
	if log.Enabled(t.Context(), slog.LevelWarn) || !log.Enabled(t.Context(), slog.LevelError) {
		t.Error("the zap logger's level does not count")
	}
}
