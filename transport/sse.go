package transport

import (
	"bytes"
	"strconv"
	"time"
)

// appendEvent appends one event as the HTML standard frames it, section 9.2.6.
// name, id and retry are left out where they are empty. Data may hold
// newlines; the client gets each of them as "\n".
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
	for {
		dst = append(dst, "data: "...)
		end := bytes.IndexAny(data, "\r\n")
		if end < 0 {
			return append(append(dst, data...), "\n\n"...)
		}
		dst = append(append(dst, data[:end]...), '\n')
		if data[end] == '\r' && end+1 < len(data) && data[end+1] == '\n' {
			end++
		}
		data = data[end+1:]
	}
}
