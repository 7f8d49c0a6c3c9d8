// Package load is a closed-loop HTTP/1.1 client that costs little beside the
// server it drives: requests are bytes made beforehand, answers are parsed no
// further than needed, each connection is kept alive and has one goroutine.
package load

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// A Conn is one connection. It is not safe for concurrent use.
type Conn struct {
	net net.Conn
	in  *bufio.Reader
	res Response
}

// readBuffer holds the head of an answer and most of its body.
const readBuffer = 32 << 10

// Dial connects to addr, which must be an IP address of the loopback with a
// port: this client is made to harm servers.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{net: c, in: bufio.NewReaderSize(c, readBuffer)}, nil
}

// Do sends a whole request and returns its answer, which is valid until the
// next call.
func (c *Conn) Do(request []byte) (*Response, error) {
	if _, err := c.net.Write(request); err != nil {
		return nil, err
	}
	if err := c.res.read(c.in); err != nil {
		return nil, err
	}
	return &c.res, nil
}

// SetDeadline ends all that happens on the connection at t.
func (c *Conn) SetDeadline(t time.Time) error { return c.net.SetDeadline(t) }

// Close closes the connection.
func (c *Conn) Close() error { return c.net.Close() }
