package transport

import (
	"strconv"
	"time"
)

// appendEvent appends a server-sent event. data is one line.
func appendEvent(dst []byte, name, id string, retry time.Duration, data []byte) []byte {
	if name != "" {
		dst = append(append(append(dst, "event: "...), name...), '\n')
	}
	if id != "" {
		dst = append(append(append(dst, "id: "...), id...), '\n')
	}
	if retry > 0 {
		dst = append(strconv.AppendInt(append(dst, "retry: "...), retry.Milliseconds(), 10), '\n')
	}
	return append(append(append(dst, "data: "...), data...), "\n\n"...)
}
