package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// projectionState is what is known of one version of a projection. It is kept
// beside the view and changes in the same transactions.
type projectionState struct {
	// Position is up to where events are in the view, or parked.
	Position Position `json:"position"`
	// Token counts the runners. It fences off one that was replaced.
	Token uint64 `json:"token"`
	// Holder is the runner; empty when it let go.
	Holder string `json:"holder,omitempty"`
	// Beat is counted up as a sign of life.
	Beat uint64 `json:"beat"`
	// Lease is how long the holder may be without one.
	Lease time.Duration `json:"lease"`

	Applied  int64    `json:"applied"`
	Parked   int      `json:"parked,omitempty"`
	Paused   bool     `json:"paused,omitempty"`
	Halted   bool     `json:"halted,omitempty"`
	Failing  *Failure `json:"failing,omitempty"`
	Promoted bool     `json:"promoted,omitempty"` // has been the current version once
	Removed  bool     `json:"removed,omitempty"`
}

// A Failure is an event that could not be applied.
type Failure struct {
	Position Position  `json:"position"`
	Stream   string    `json:"stream"`
	EventID  string    `json:"event_id"`
	Type     string    `json:"type"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
	Time     time.Time `json:"time"` // of the last attempt
	// After is where to read on to find the event.
	After Position `json:"after"`
}

// maxFailureText bounds the text of an error that is kept.
const maxFailureText = 1024

func newFailure(e Event, after Position, attempts int, cause error) Failure {
	text := cause.Error()
	if len(text) > maxFailureText {
		text = text[:maxFailureText]
	}
	return Failure{
		Position: e.Position, Stream: e.Stream, EventID: e.ID, Type: e.Type,
		Attempts: attempts, Error: text, Time: time.Now().UTC(), After: after,
	}
}

const stateKey = "state"

func loadState(ctx context.Context, tx ViewTx, name string, version int) (s projectionState, ok bool, err error) {
	ok, err = loadJSON(ctx, tx, versionSpace(name, version, "state"), stateKey, &s)
	return s, ok, err
}

func saveState(ctx context.Context, tx ViewTx, name string, version int, s projectionState) error {
	return putJSON(ctx, tx, versionSpace(name, version, "state"), stateKey, s)
}

// loadCurrent returns the version that readers get, or 0.
func loadCurrent(ctx context.Context, tx ViewTx, name string) (version int, err error) {
	_, err = loadJSON(ctx, tx, name+"/current", stateKey, &version)
	return version, err
}

func saveCurrent(ctx context.Context, tx ViewTx, name string, version int) error {
	return putJSON(ctx, tx, name+"/current", stateKey, version)
}

func loadJSON(ctx context.Context, tx ViewTx, space, key string, into any) (bool, error) {
	value, ok, err := tx.Get(ctx, space, key)
	if err != nil || !ok {
		return false, err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return false, fmt.Errorf("eventstore: %s in %s of a projection: %w", key, space, err)
	}
	return true, nil
}

func putJSON(ctx context.Context, tx ViewTx, space, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Put(ctx, space, []ViewEntry{{key, text}})
}

// locks of a projection: one for each version, so that a new one that is slow
// does not hold up the old one, and one for which of them is current.
func versionLock(name string, version int) string { return name + "/" + strconv.Itoa(version) }
func currentLock(name string) string              { return name }
