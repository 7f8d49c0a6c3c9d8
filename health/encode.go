package health

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// document is a body of draft-inadarei-api-health-check-06, section 3.
type document struct {
	Status    string                   `json:"status"`
	ServiceID string                   `json:"serviceId,omitempty"`
	ReleaseID string                   `json:"releaseId,omitempty"`
	Notes     []string                 `json:"notes,omitempty"`
	Checks    map[string][]measurement `json:"checks,omitempty"`
}

type measurement struct {
	ComponentType string   `json:"componentType"`
	Status        string   `json:"status"`
	ObservedValue *float64 `json:"observedValue,omitempty"`
	ObservedUnit  string   `json:"observedUnit,omitempty"`
	Time          string   `json:"time,omitempty"`
	Output        string   `json:"output,omitempty"`

	// Beyond the draft, which lets members be added.
	Critical bool   `json:"critical"`
	Since    string `json:"since"`
}

// JSON returns the state in the health format, with what every check says: it
// is for operators only.
func (m *Monitor) JSON() []byte {
	r := m.Report()
	return m.encode(r, r.Status)
}

func (m *Monitor) encode(r Report, status Status) []byte {
	d := document{
		Status: status.Word(), ServiceID: m.opts.Service, ReleaseID: m.opts.Release,
		Checks: make(map[string][]measurement, len(r.Checks)),
	}
	if r.Draining {
		d.Notes = append(d.Notes, noteDraining)
	}
	if !r.Started {
		d.Notes = append(d.Notes, noteStarting)
	}
	for _, c := range r.Checks {
		out := measurement{
			ComponentType: c.Kind, Status: c.Status.Word(), Output: c.Output,
			Critical: c.Critical, Since: c.Since.UTC().Format(time.RFC3339),
		}
		if !c.Checked.IsZero() {
			ms := float64(c.Took.Microseconds()) / 1000
			out.ObservedValue, out.ObservedUnit = &ms, "ms"
			out.Time = c.Checked.UTC().Format(time.RFC3339)
		}
		d.Checks[c.Name+":responseTime"] = []measurement{out}
	}
	body, err := json.Marshal(&d)
	if err != nil {
		return []byte(`{"status":"fail"}`) // strings and numbers always encode
	}
	return append(body, '\n')
}

const (
	noteDraining = "draining"
	noteStarting = "starting"
)

// text is the state for people, a line a check.
func (r Report) text(status Status) string {
	var b strings.Builder
	b.WriteString(status.String())
	if r.Draining {
		b.WriteString(" (" + noteDraining + ")")
	}
	if !r.Started {
		b.WriteString(" (" + noteStarting + ")")
	}
	b.WriteByte('\n')
	for _, c := range r.Checks {
		role := "optional"
		if c.Critical {
			role = "critical"
		}
		fmt.Fprintf(&b, "%-9s %s (%s, since %s", c.Status, c.Name, role, c.Since.UTC().Format(time.RFC3339))
		if !c.Checked.IsZero() {
			fmt.Fprintf(&b, ", took %v", c.Took.Round(10*time.Microsecond))
		}
		b.WriteByte(')')
		if c.Output != "" {
			b.WriteString(": " + oneLine(c.Output))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// oneLine keeps what a check says from looking like another check.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
