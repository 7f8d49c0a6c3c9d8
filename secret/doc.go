// Package secret has a type for passwords, keys and tokens that no log, error
// or encoder shows.
//
//	type Config struct {
//		Database secret.Secret `json:"database"`
//	}
//
// A [Secret] is read like a string: from JSON, YAML and all that takes a
// [encoding.TextUnmarshaler], from the environment with [FromEnv], from a file
// with [FromFile]. It is written as "[redacted]", by every verb of fmt, by
// encoding/json, xml and gob, by YAML, log/slog and zap, and whatever it lies
// in: a struct's unexported field, too, which formatters read by reflection
// without asking its methods. Only [Secret.Reveal] tells.
//
// What this does not do is wipe memory. Go moves and copies values, a string
// cannot be overwritten, and a library that was given a password keeps it as
// long as it likes. Who can read the memory of the process, or its core dump,
// has its secrets. Give dumps away like secrets, or keep none.
package secret
