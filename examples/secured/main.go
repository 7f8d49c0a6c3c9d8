// Secured is a server of notes that asks who calls and lets each do what the
// policy grants: tokens, roles, scopes, limits. By itself it brings an issuer,
// for demonstration, and prints what each of its callers may try:
//
//	go run ./examples/secured [-addr host:port] [-policy file]
//
// With your own authorization server:
//
//	go run ./examples/secured -issuer https://login.example.com -audience https://mcp.example.com/mcp
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/trestle-mcp/trestle/server"
)

// config is what the flags say.
type config struct {
	addr, issuer, jwks, audience, rolesClaim, policy string

	policyInterval time.Duration // no flag: how often the file is looked at; 0: the default
}

func main() {
	var c config
	flag.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.StringVar(&c.issuer, "issuer", "", "`URL` of the authorization server, as its tokens name it; default: an issuer for demonstration")
	flag.StringVar(&c.jwks, "jwks", "", "`URL` of the issuer's keys; default: the issuer is asked")
	flag.StringVar(&c.audience, "audience", "", "`URL` that clients reach this server at, and that tokens must be for; default: http://ADDR/mcp")
	flag.StringVar(&c.rolesClaim, "roles-claim", "roles", "`claim` that holds the roles; a JSON pointer such as /realm_access/roles for one within another")
	flag.StringVar(&c.policy, "policy", "", "`file` that says what each role may do, followed while it changes; default: the policy.yaml built in")
	flag.Parse()
	if err := run(context.Background(), &c, os.Stdout, os.Stderr); err != nil { // until Ctrl-C; running calls end first
		log.Fatal(err)
	}
}

// run serves until ctx ends, and says on out where, and what to try. Log
// and audit go to logs.
func run(ctx context.Context, c *config, out, logs io.Writer) error {
	var demo *issuer
	if c.issuer == "" {
		var err error
		if demo, err = newIssuer(); err != nil {
			return err
		}
		defer demo.close()
	}
	s, err := c.secure(ctx, demo, logs)
	if err != nil {
		return err
	}
	defer s.close()
	srv, err := newServer(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() {
		select {
		case <-ctx.Done():
		case <-srv.Ready():
			text := fmt.Sprintf("ready: http://%s/mcp\nmetadata: %s\n", srv.Addr(), s.guard.MetadataURL())
			if demo != nil {
				text += demo.explain("http://"+srv.Addr()+"/mcp", s.audience)
			}
			_, _ = io.WriteString(out, text) // at once: the log may go to the same terminal
		}
	})
	return srv.Run(ctx)
}

func newServer(s *security) (*server.Server, error) {
	srv, err := server.New("secured", "1.0.0", s.options())
	if err != nil {
		return nil, err
	}
	addNotes(srv)
	return srv, nil
}
