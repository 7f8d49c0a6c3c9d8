package transport

import "log/slog"

// levelRefused is the level of refusals: a peer can cause as many as it likes.
const levelRefused = slog.LevelDebug

// refusedAttrs says why something was refused, in our words only.
func refusedAttrs(ref *refusal) []slog.Attr {
	return []slog.Attr{slog.Int("status", ref.status), slog.Int64("code", ref.err.Code)}
}
