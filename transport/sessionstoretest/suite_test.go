package sessionstoretest_test

import (
	"testing"

	"github.com/trestle-mcp/trestle/transport"
	"github.com/trestle-mcp/trestle/transport/sessionstoretest"
)

func TestMemorySessionStore_PassesTheSuite(t *testing.T) {
	sessionstoretest.Run(t, func(*testing.T) transport.SessionStore { return transport.NewMemorySessionStore(0) })
}
