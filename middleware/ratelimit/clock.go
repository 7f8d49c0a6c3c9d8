package ratelimit

import "time"

// base has a monotonic reading, so that what is measured from it stands still
// when somebody sets the clock.
var base = time.Now()

// now is the time that all limiters share, in nanoseconds. It is read under the
// lock of what it is compared with: each budget sees times that never go back.
func now() int64 { return int64(time.Since(base)) }
