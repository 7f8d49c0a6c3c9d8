package shutdown

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// HTTPServer returns a hook of the stage [Drain] that stops web from listening,
// waits for its requests, and at the deadline cuts those that are left, which is
// an error. Streams that end only when they are ended need a hook of their own.
func HTTPServer(name string, web *http.Server) Hook {
	return Hook{Name: name, Stage: Drain, Run: func(ctx context.Context) error {
		if err := web.Shutdown(ctx); err != nil {
			return errors.Join(fmt.Errorf("closing connections: %w", err), web.Close())
		}
		return nil
	}}
}
