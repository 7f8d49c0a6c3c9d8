package yamldir

import "context"

// Look is what happens each interval.
func (d *Dir) Look(ctx context.Context) { d.look(ctx, false) }

const RetryAfter = retryAfter
