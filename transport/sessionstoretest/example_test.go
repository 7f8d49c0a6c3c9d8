package sessionstoretest_test

import (
	"testing"

	"github.com/trestle-mcp/trestle/transport"
	"github.com/trestle-mcp/trestle/transport/sessionstoretest"
)

// The suite is the body of a test, so there is nothing to run here.
func ExampleRun() {
	testMyStore := func(t *testing.T) {
		sessionstoretest.Run(t, func(*testing.T) transport.SessionStore { return transport.NewMemorySessionStore(0) })
	}
	_ = testMyStore
}
