package transport

import "github.com/trestle-mcp/trestle/internal/answerheader"

var (
	_ answerheader.Setter = (*modernCall)(nil)
	_ answerheader.Setter = (*call)(nil)
)

// SetHeader implements [answerheader.Setter].
func (c *modernCall) SetHeader(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun && !c.finished {
		c.w.Header().Set(name, value)
	}
}

// SetHeader implements [answerheader.Setter]. The answer to a batch is not the
// call's own.
func (c *call) SetHeader(name, value string) {
	r := c.reply
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.batch || r.started || r.done {
		return
	}
	r.post.mu.Lock()
	defer r.post.mu.Unlock()
	if !r.post.dead {
		r.post.w.Header().Set(name, value)
	}
}
