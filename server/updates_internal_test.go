package server

import (
	"runtime"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
)

func TestSubscribers_AreForgottenWithTheirSession(t *testing.T) {
	var s subscribers
	count := func() (n int) {
		s.who.Range(func(any, any) bool { n++; return true })
		return n
	}
	kept := new(mcp.ServerSession)
	s.put(kept, nil)
	func() {
		for range 100 {
			gone := new(mcp.ServerSession)
			s.put(gone, auth.Local())
			s.put(gone, auth.Local())
		}
	}()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for count() > 1 {
		runtime.GC()
		select {
		case <-deadline:
			t.Fatalf("%d are kept", count())
		case <-tick.C:
		}
	}
	if who, ok := s.get(kept); !ok || who != nil {
		t.Errorf("the one that is there: %v, %v", who, ok)
	}
	if _, ok := s.get(new(mcp.ServerSession)); ok {
		t.Error("a session that never subscribed")
	}
	runtime.KeepAlive(kept)
}
