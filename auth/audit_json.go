package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trestle-mcp/trestle/internal/redact"
)

// recordJSON is the form in which records are kept.
type recordJSON struct {
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	DurationNS int64     `json:"duration_ns"`
	RequestID  string    `json:"request_id,omitempty"`
	TraceID    string    `json:"trace_id,omitempty"`
	Principal  string    `json:"principal,omitempty"`
	Tenant     string    `json:"tenant,omitempty"`
	Method     string    `json:"method"`
	Actions    []string  `json:"actions,omitempty"`
	Arguments  string    `json:"arguments,omitempty"`
	Decision   string    `json:"decision"`
	Reason     string    `json:"reason,omitempty"`
	Outcome    string    `json:"outcome"`
}

const (
	decisionAllowed = "allowed"
	decisionDenied  = "denied"
)

// MarshalJSON returns the record for keeping, with the reason. The fields are id,
// time, duration_ns, request_id, trace_id, principal, tenant, method, actions,
// arguments (their digest), decision ("allowed" or "denied"), reason and outcome;
// those that are empty are left out. Of names that a caller chose at most 256
// bytes are in it, without what looks like a secret.
func (r *AuditRecord) MarshalJSON() ([]byte, error) {
	j := recordJSON{
		ID: r.ID, Time: r.Time, DurationNS: int64(r.Duration), RequestID: idText(r.RequestID), TraceID: r.TraceID,
		Principal: r.Principal, Tenant: r.Tenant, Method: redact.Name(r.Method), Arguments: r.Arguments,
		Decision: decisionAllowed, Reason: r.Reason(), Outcome: r.Outcome,
	}
	if r.Denied {
		j.Decision = decisionDenied
	}
	for _, a := range r.Actions {
		j.Actions = append(j.Actions, redact.Name(a.String()))
	}
	return json.Marshal(j)
}

// UnmarshalJSON takes what [AuditRecord.MarshalJSON] made.
func (r *AuditRecord) UnmarshalJSON(data []byte) error {
	var j recordJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	if j.Decision != decisionAllowed && j.Decision != decisionDenied {
		return fmt.Errorf("auth: an audit record with the decision %q", j.Decision)
	}
	*r = AuditRecord{
		ID: j.ID, Time: j.Time, Duration: time.Duration(j.DurationNS), RequestID: j.RequestID, TraceID: j.TraceID,
		Principal: j.Principal, Tenant: j.Tenant, Method: j.Method, Arguments: j.Arguments,
		Denied: j.Decision == decisionDenied, Outcome: j.Outcome, reason: j.Reason,
	}
	for _, text := range j.Actions {
		verb, rest, _ := strings.Cut(text, ":")
		kind, name, _ := strings.Cut(rest, ":")
		r.Actions = append(r.Actions, Action{Verb: Verb(verb), Kind: Kind(kind), Name: name})
	}
	return nil
}

// idText makes an id that somebody else chose fit for keeping: a record that no
// store takes would keep a server that fails closed from serving again.
func idText(id string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(id[:min(len(id), 256)], ""), "\x00", "")
}
