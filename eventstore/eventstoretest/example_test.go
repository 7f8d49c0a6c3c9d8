package eventstoretest_test

import (
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/eventstore/eventstoretest"
)

// The suite is the body of a test, so there is nothing to run here.
func ExampleRun() {
	testMyBackend := func(t *testing.T) {
		eventstoretest.Run(t, eventstoretest.Config{
			Open: func(*testing.T) eventstore.Backend { return eventstore.NewMemory() },
		})
	}
	_ = testMyBackend
}
