package workload

import (
	"bytes"
	"fmt"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
	"github.com/trestle-mcp/trestle/bench/internal/load"
)

// Calls is a script that sends one request again and again, with another id
// and other arguments each time. The first answer is decoded and looked at in
// every respect, the others are searched for what must be in them.
type Calls struct {
	kind    Kind
	era     Era
	id      int
	request pattern
	wanted  []pattern
	length  int // of every right answer to List; 0 before the first
	proved  bool
}

// pattern is text with a number of nine digits in some places.
type pattern struct {
	text []byte
	at   []int
	plus int // added to the id
}

func newPattern(text []byte, plus int) pattern { return pattern{text, slots(text), plus} }

func (p *pattern) set(id int) {
	for _, i := range p.at {
		putDigits(p.text[i:], id+p.plus)
	}
}

// NewCalls returns the script of a client that opened session, or of one
// without sessions if that is empty. addr is the server's.
func NewCalls(k Kind, e Era, addr, session string) *Calls {
	method, tool, body := message(k, e)
	c := &Calls{
		kind: k, era: e, id: firstID - 1,
		request: newPattern(encode(addr, e, session, method, tool, body), 0),
		wanted:  []pattern{newPattern([]byte(`"id":`+placeholder), 0)},
	}
	want := func(text string, plus int) { c.wanted = append(c.wanted, newPattern([]byte(text), plus)) }
	switch k {
	case Add:
		want(`"sum":`+placeholder+`}`, 1)   // structured
		want(`\"sum\":`+placeholder+`}`, 1) // in the text
	case Echo:
		want(`"text":`+quote(echoText(placeholder)), 0)
	case List:
		want(`"`+fixture.Extra(ListTools-1).Name+`"`, 0)
	}
	return c
}

// Next implements [load.Script].
func (c *Calls) Next() []byte {
	if c.id++; c.id >= lastID {
		c.id = firstID
	}
	c.request.set(c.id)
	return c.request.text
}

// Check implements [load.Script].
func (c *Calls) Check(res *load.Response) error {
	if err := c.check(res); err != nil {
		return fmt.Errorf("%v %v: %w: status %d, body %.300q", c.era, c.kind, err, res.Status, res.Body)
	}
	return nil
}

func (c *Calls) check(res *load.Response) error {
	if res.Status != 200 {
		return errStatus
	}
	if !c.proved {
		if err := c.prove(res); err != nil {
			return err
		}
		c.proved, c.length = true, answerLength(res.Body)
	}
	if c.kind == List {
		if n := answerLength(res.Body); n != c.length {
			return fmt.Errorf("the list has %d bytes, before it had %d", n, c.length)
		}
	}
	for i := range c.wanted {
		w := &c.wanted[i]
		if w.set(c.id); !bytes.Contains(res.Body, w.text) {
			return fmt.Errorf("the answer lacks %.60q", w.text)
		}
	}
	return nil
}

// answerLength returns the length of the message in body. A server may answer
// as a stream of events when it is slow, and plainly when it is not.
func answerLength(body []byte) int {
	const data = "data: "
	if i := bytes.LastIndex(body, []byte(data+"{")); i >= 0 && !bytes.HasPrefix(body, []byte("{")) {
		body, _, _ = bytes.Cut(body[i+len(data):], []byte("\n"))
	}
	return len(bytes.TrimSpace(body))
}
