package trestle

import (
	"io"
	"net/http"
)

// ProductionLoggingTo is the production stack with a log that can be read.
func ProductionLoggingTo(w io.Writer) (http.Handler, error) { return production(0, w) }
