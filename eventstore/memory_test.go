package eventstore_test

import (
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/eventstore/eventstoretest"
)

func TestMemory_PassesTheSuite(t *testing.T) {
	eventstoretest.Run(t, eventstoretest.Config{
		Open: func(*testing.T) eventstore.Backend { return eventstore.NewMemory() },
	})
}
