package transport_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/transport"
)

func TestMemorySessionStore_KeepsRecordsForTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, m := t.Context(), transport.NewMemorySessionStore(0)
		for i, ttl := range []time.Duration{3 * time.Second, 0, time.Second, 2 * time.Second} {
			if err := m.Create(ctx, fmt.Sprint(i), []byte{byte(i)}, ttl); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Second)
		_, gone := m.Load(ctx, "2", time.Hour)
		kept, err := m.Load(ctx, "3", 5*time.Second)
		if !errors.Is(gone, transport.ErrNoSession) || err != nil || kept[0] != 3 || m.Len() != 3 {
			t.Errorf("after 1 s: %v, %v, %v, %d", gone, kept, err, m.Len())
		}
		<-time.After(4 * time.Second)
		if err := m.Update(ctx, "0", nil, time.Hour); !errors.Is(err, transport.ErrNoSession) || m.Len() != 2 {
			t.Errorf("after 5 s: %v, %d", err, m.Len())
		}
		<-time.After(time.Second)
		if _, err := m.Load(ctx, "1", 0); err != nil || m.Len() != 1 {
			t.Errorf("after 6 s: %v, %d", err, m.Len())
		}
	})
}

func TestMemorySessionStore_UpdatesAndDeletesWhatIsThere(t *testing.T) {
	ctx, m := t.Context(), transport.NewMemorySessionStore(0)
	if err := m.Update(ctx, "k", []byte("a"), 0); !errors.Is(err, transport.ErrNoSession) {
		t.Error(err)
	}
	if err := errors.Join(m.Create(ctx, "k", []byte("a"), time.Hour), m.Update(ctx, "k", []byte("b"), time.Hour)); err != nil {
		t.Fatal(err)
	}
	if data, err := m.Load(ctx, "k", time.Hour); err != nil || string(data) != "b" {
		t.Errorf("%s, %v", data, err)
	}
	if err := errors.Join(m.Delete(ctx, "k"), m.Delete(ctx, "k")); err != nil || m.Len() != 0 {
		t.Errorf("%v, %d", err, m.Len())
	}
}

func TestMemorySessionStore_RecordsAreTheCallersAgain(t *testing.T) {
	ctx, m := t.Context(), transport.NewMemorySessionStore(0)
	data := []byte("a")
	if err := m.Create(ctx, "k", data, 0); err != nil {
		t.Fatal(err)
	}
	data[0] = 'x'
	got, _ := m.Load(ctx, "k", 0)
	got[0] = 'y'
	if again, _ := m.Load(ctx, "k", 0); string(again) != "a" {
		t.Errorf("%s", again)
	}
}

func TestMemorySessionStore_IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, m := t.Context(), transport.NewMemorySessionStore(2)
		if err := errors.Join(m.Create(ctx, "a", nil, time.Second), m.Create(ctx, "b", nil, time.Hour), m.Create(ctx, "b", nil, time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := m.Create(ctx, "c", nil, time.Hour); err == nil || errors.Is(err, transport.ErrNoSession) {
			t.Errorf("a third: %v", err)
		}
		<-time.After(time.Second)
		if err := m.Create(ctx, "c", nil, time.Hour); err != nil || m.Len() != 2 {
			t.Errorf("when one expired: %v, %d", err, m.Len())
		}
		if m := transport.NewMemorySessionStore(-1); m.Create(ctx, "a", nil, 0) != nil {
			t.Error("a store without limit is full")
		}
	})
}
