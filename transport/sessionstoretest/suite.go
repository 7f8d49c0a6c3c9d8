// Package sessionstoretest is what each [transport.SessionStore] passes.
package sessionstoretest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/transport"
)

// Run tests the stores that open returns, in subtests. They may share what they
// keep records in: no two tests use the same keys. It takes a few seconds of real
// time, since stores have clocks of their own.
func Run(t *testing.T, open func(t *testing.T) transport.SessionStore) {
	t.Helper()
	for name, test := range map[string]func(suite){
		"ReturnsWhatWasCreated":            suite.returns,
		"TakesOpaqueBytes":                 suite.opaque,
		"HasNoSessionThatItWasNotGiven":    suite.unknown,
		"UpdatesWhatIsThere":               suite.updates,
		"DeletesForEver":                   suite.deletes,
		"LeavesTheCallersBytesAlone":       suite.owns,
		"ExpiresAfterItsTime":              suite.expires,
		"PutsTheExpiryOff":                 suite.putsOff,
		"TakesZeroForNoLimit":              suite.unlimited,
		"ReturnsWhenTheContextHasEnded":    suite.canceled,
		"LetsNoUpdateUndoADeletion":        suite.races,
		"KeepsRecordsOfOtherKeysAsTheyAre": suite.apart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(suite{t, open(t), rand.Text()})
		})
	}
}

// A suite is one test, with a store and a key of its own.
type suite struct {
	t     *testing.T
	store transport.SessionStore
	key   string
}

const hour = time.Hour

func (s suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// holds checks that the record is there, and lets it live for an hour.
func (s suite) holds(key, want string) {
	s.t.Helper()
	if got, err := s.store.Load(s.t.Context(), key, hour); err != nil || string(got) != want {
		s.t.Errorf("got %.100q, %v; want %.100q", got, err, want)
	}
}

func (s suite) gone(key string) {
	s.t.Helper()
	if got, err := s.store.Load(s.t.Context(), key, hour); !errors.Is(err, transport.ErrNoSession) {
		s.t.Errorf("got %.100q, %v; want ErrNoSession", got, err)
	}
}

func (s suite) returns() {
	s.must(s.store.Create(s.t.Context(), s.key, []byte("a"), hour))
	s.holds(s.key, "a")
	s.holds(s.key, "a")
}

func (s suite) opaque() {
	for _, record := range []string{"\x00\r\n\xff$-1\r\n", string(bytes.Repeat([]byte("x"), 32<<10)), "{}"} {
		s.must(s.store.Create(s.t.Context(), s.key, []byte(record), hour))
		s.holds(s.key, record)
		s.must(s.store.Update(s.t.Context(), s.key, []byte(record+"!"), hour))
		s.holds(s.key, record+"!")
	}
}

func (s suite) unknown() {
	s.gone(s.key)
	if err := s.store.Update(s.t.Context(), s.key, []byte("a"), hour); !errors.Is(err, transport.ErrNoSession) {
		s.t.Errorf("Update: %v", err)
	}
	s.gone(s.key)
	s.must(s.store.Delete(s.t.Context(), s.key))
}

func (s suite) updates() {
	s.must(s.store.Create(s.t.Context(), s.key, []byte("a"), hour))
	s.must(s.store.Update(s.t.Context(), s.key, []byte("b"), hour))
	s.holds(s.key, "b")
}

func (s suite) deletes() {
	s.must(s.store.Create(s.t.Context(), s.key, []byte("a"), hour))
	s.must(s.store.Delete(s.t.Context(), s.key))
	s.gone(s.key)
	if err := s.store.Update(s.t.Context(), s.key, []byte("b"), hour); !errors.Is(err, transport.ErrNoSession) {
		s.t.Errorf("Update: %v", err)
	}
	s.gone(s.key)
	s.must(s.store.Delete(s.t.Context(), s.key))
}

func (s suite) owns() {
	record := []byte("a")
	s.must(s.store.Create(s.t.Context(), s.key, record, hour))
	record[0] = 'x'
	s.holds(s.key, "a")
	record[0] = 'b'
	s.must(s.store.Update(s.t.Context(), s.key, record, hour))
	record[0] = 'x'
	got, err := s.store.Load(s.t.Context(), s.key, hour)
	s.must(err)
	if len(got) > 0 {
		got[0] = 'y'
	}
	s.holds(s.key, "b")
}

const short = 100 * time.Millisecond

// expired waits till the record is not there any more. To look would put its
// end off, so it looks after twice its time, and gives more each time it was early.
func (s suite) expired(key string) {
	s.t.Helper()
	for range 8 {
		<-time.After(2 * short)
		if _, err := s.store.Load(s.t.Context(), key, short); errors.Is(err, transport.ErrNoSession) {
			return
		}
	}
	s.t.Error("it does not expire")
}

func (s suite) expires() {
	s.must(s.store.Create(s.t.Context(), s.key, []byte("a"), short))
	s.expired(s.key)
	if err := s.store.Update(s.t.Context(), s.key, []byte("b"), hour); !errors.Is(err, transport.ErrNoSession) {
		s.t.Errorf("Update: %v", err)
	}
	s.must(s.store.Create(s.t.Context(), s.key, []byte("a"), hour))
	s.must(s.store.Update(s.t.Context(), s.key, []byte("b"), short))
	s.expired(s.key)
}

// putsOff compares with a record that has the short time and was made later.
func (s suite) putsOff() {
	s.must(s.store.Create(s.t.Context(), s.key+"1", []byte("a"), 10*short))
	s.must(s.store.Create(s.t.Context(), s.key+"2", []byte("a"), 10*short))
	s.holds(s.key+"1", "a")
	s.must(s.store.Update(s.t.Context(), s.key+"2", []byte("b"), hour))
	s.must(s.store.Create(s.t.Context(), s.key+"3", []byte("a"), 10*short))
	<-time.After(11 * short)
	s.gone(s.key + "3")
	s.holds(s.key+"1", "a")
	s.holds(s.key+"2", "b")
}

func (s suite) unlimited() {
	s.must(s.store.Create(s.t.Context(), s.key+"1", []byte("a"), 0))
	s.must(s.store.Create(s.t.Context(), s.key+"2", []byte("a"), 10*short))
	s.must(s.store.Create(s.t.Context(), s.key+"3", []byte("a"), 10*short))
	_, err := s.store.Load(s.t.Context(), s.key+"2", 0)
	s.must(err)
	s.must(s.store.Update(s.t.Context(), s.key+"3", []byte("a"), 0))
	<-time.After(11 * short)
	for _, n := range []string{"1", "2", "3"} {
		s.holds(s.key+n, "a")
		s.must(s.store.Delete(s.t.Context(), s.key+n))
	}
}

func (s suite) canceled() {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	// What they return is theirs: a store may have been quicker.
	_ = s.store.Create(ctx, s.key, []byte("a"), hour)
	_, _ = s.store.Load(ctx, s.key, hour)
	_ = s.store.Update(ctx, s.key, []byte("a"), hour)
	_ = s.store.Delete(ctx, s.key)
	s.must(s.store.Create(s.t.Context(), s.key, []byte("b"), hour))
	s.holds(s.key, "b")
}

func (s suite) races() {
	for range 20 {
		s.must(s.store.Create(s.t.Context(), s.key, []byte("a"), hour))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				var err error
				if i == 4 {
					err = s.store.Delete(s.t.Context(), s.key)
				} else if err = s.store.Update(s.t.Context(), s.key, []byte("b"), hour); errors.Is(err, transport.ErrNoSession) {
					err = nil
				}
				if err != nil {
					s.t.Error(err)
				}
			})
		}
		wg.Wait()
		s.gone(s.key)
	}
}

func (s suite) apart() {
	s.must(s.store.Create(s.t.Context(), s.key, []byte("a"), hour))
	s.must(s.store.Create(s.t.Context(), s.key+"x", []byte("b"), hour))
	s.must(s.store.Update(s.t.Context(), s.key+"x", []byte("c"), hour))
	s.holds(s.key, "a")
	s.must(s.store.Delete(s.t.Context(), s.key+"x"))
	s.holds(s.key, "a")
}
