package transport

import (
	"net/http"

	"github.com/trestle-mcp/trestle/internal/answerheader"
)

var (
	_ answerheader.Setter = (*modernCall)(nil)
	_ answerheader.Setter = (*call)(nil)
)

// SetHeader implements [answerheader.Setter].
func (c *modernCall) SetHeader(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun && !c.finished {
		c.out.setHeader(name, value)
	}
}

// SetHeader implements [answerheader.Setter]. The answer to a batch is not the
// call's own.
func (c *call) SetHeader(name, value string) {
	r := c.reply
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.batch && !r.started && !r.done {
		r.post.setHeader(name, value)
	}
}

// setHeader sets a field of the response's header, which nothing of was sent.
func (o *output) setHeader(name, value string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.alive() {
		o.w.Header().Set(name, value)
	}
}

// Values of headers that are the same for every answer, so that none costs memory.
var (
	headerJSON    = []string{typeJSON}
	headerStream  = []string{typeStream}
	headerNoSniff = []string{"nosniff"}
	headerNoStore = []string{"no-store"}
	headerNo      = []string{"no"}
)

func setAnswerHeader(h http.Header) {
	h["X-Content-Type-Options"] = headerNoSniff
	h["Cache-Control"] = headerNoStore
}
