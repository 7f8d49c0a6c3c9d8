// Package era tells the two eras of the protocol apart: legacy, up to
// 2025-11-25, with handshake and sessions; modern, from 2026-07-28, without.
package era

// FirstModern is the first protocol version of the modern era, and LastLegacy
// the last one before it.
const (
	FirstModern = "2026-07-28"
	LastLegacy  = "2025-11-25"
)

// IsModern reports whether version belongs to the modern era. Versions are
// dates, so they compare as strings; "" (not negotiated) is legacy.
func IsModern(version string) bool { return version >= FirstModern }

// Version returns the protocol version of an mcp.Request, or "" if it has none.
func Version(req any) string {
	if r, ok := req.(interface{ ProtocolVersion() string }); ok {
		return r.ProtocolVersion()
	}
	return ""
}
