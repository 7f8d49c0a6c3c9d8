package transport

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// maxRecord bounds a record, in bytes, and recordFormat says how it is written.
// A replica that does not know the format has no such session: its client
// initializes again.
const (
	maxRecord    = 32 << 10
	recordFormat = 1
)

// A sessionRecord is a session in a [SessionStore].
type sessionRecord struct {
	Format      int                   `json:"format"`
	Key         string                `json:"key"`     // a copy under another key is no session
	Version     string                `json:"version"` // that was agreed on
	Initialize  *mcp.InitializeParams `json:"initialize"`
	Roots       *mcp.RootCapabilities `json:"roots,omitempty"` // go-sdk does not encode them
	Initialized bool                  `json:"initialized,omitempty"`
	LogLevel    mcp.LoggingLevel      `json:"logLevel,omitempty"`
}

// recordKey is what the session id of a principal is kept under.
func recordKey(id, owner string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(id), id, owner))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func newRecord(key, version string, p *mcp.InitializeParams) *sessionRecord {
	r := &sessionRecord{Format: recordFormat, Key: key, Version: version, Initialize: p}
	if p.Capabilities != nil {
		r.Roots = p.Capabilities.RootsV2
	}
	return r
}

var (
	errRecordSize = errors.New("transport: a session record is too large")
	errRecord     = errors.New("transport: this is no record of the session")
)

func (r *sessionRecord) encode() ([]byte, error) {
	data, err := json.Marshal(r)
	if err == nil && len(data) > maxRecord {
		err = errRecordSize
	}
	return data, err
}

// decodeRecord reads what encode wrote for key, and nothing else.
func decodeRecord(key string, data []byte) (*sessionRecord, error) {
	if len(data) > maxRecord || strictjson.Check(data, maxDepth) != nil {
		return nil, errRecord
	}
	r := &sessionRecord{}
	if json.Unmarshal(data, r) != nil {
		return nil, errRecord
	}
	if r.Format != recordFormat || r.Key != key || !isLegacy(r.Version) || r.Initialize == nil || !slices.Contains(levels[:], r.LogLevel) {
		return nil, errRecord
	}
	if r.Roots != nil {
		if r.Initialize.Capabilities == nil {
			r.Initialize.Capabilities = &mcp.ClientCapabilities{}
		}
		r.Initialize.Capabilities.RootsV2 = r.Roots
	}
	return r, nil
}

// state is the session as go-sdk rebuilds it.
func (r *sessionRecord) state() *mcp.ServerSessionState {
	s := &mcp.ServerSessionState{
		InitializeParams: r.Initialize, NegotiatedProtocolVersion: r.Version, LogLevel: r.LogLevel,
	}
	if r.Initialized {
		s.InitializedParams = &mcp.InitializedParams{}
	}
	return s
}

// A change is what a session learned, and the store has yet to.
type change struct {
	initialized bool
	level       mcp.LoggingLevel
}

func (c change) apply(r *sessionRecord) {
	r.Initialized = r.Initialized || c.initialized
	if c.level != "" {
		r.LogLevel = c.level
	}
}
