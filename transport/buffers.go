package transport

import "sync"

// maxPooled bounds the buffers that are kept, in bytes.
const maxPooled = 64 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// getBuffer returns an empty buffer for an answer. Nothing else is pooled: what
// a handler was given may outlive its call.
func getBuffer() *[]byte {
	b, _ := buffers.Get().(*[]byte)
	return b
}

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
