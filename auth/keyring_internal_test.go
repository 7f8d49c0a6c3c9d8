package auth

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeyring_WhoWasOvertakenFetchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		load := func(context.Context) (*keySet, error) {
			fetches++
			return &keySet{}, nil
		}
		k := newKeyring(load, time.Hour, func() {}, slog.New(slog.DiscardHandler))
		if _, err := k.warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, why := range []need{cold, stale} { // decided before the fetch above ended
			f, _ := k.begin(why)
			if f == nil || f.wait(t.Context()) != nil {
				t.Errorf("%d: no answer", why)
			}
		}
		synctest.Wait()
		if fetches != 1 {
			t.Errorf("%d fetches", fetches)
		}
	})
}
