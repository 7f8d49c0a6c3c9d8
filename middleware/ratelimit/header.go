package ratelimit

import (
	"context"
	"strconv"
	"time"

	"github.com/trestle-mcp/trestle/internal/answerheader"
)

// writeHeader tells an HTTP caller how it stands, in structured fields. Both
// count whole seconds; rounded up, they never promise too much.
func writeHeader(ctx context.Context, d Decision) {
	h := answerheader.From(ctx)
	if h == nil {
		return
	}
	reset := d.Reset
	if !d.Allowed && d.RetryAfter > 0 {
		reset = d.RetryAfter // the same point in time as Retry-After
	}
	name := `"` + d.Rule + `";`
	h.SetHeader("RateLimit-Policy", name+"q="+strconv.Itoa(d.Limit)+";w="+seconds(d.Window))
	h.SetHeader("RateLimit", name+"r="+strconv.Itoa(d.Remaining)+";t="+seconds(reset))
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
