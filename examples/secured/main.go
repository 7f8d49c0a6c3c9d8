// Secured is a server of notes that asks who calls and lets each do what the
// policy grants: tokens, roles, scopes, limits. By itself it brings an issuer,
// for demonstration, and prints what each of its callers may try:
//
//	go run ./examples/secured [-addr host:port] [-policy file] [-redis url]
//
// With your own authorization server:
//
//	go run ./examples/secured -issuer https://login.example.com -audience https://mcp.example.com/mcp
//
// Replicas behind one URL share the limits, and the sessions of legacy clients,
// in Redis; REDIS_URL in the environment, or the file that REDIS_URL_FILE names,
// does as well and is not seen in the list of processes. They need one key for
// the cursors of lists, in STATE_KEY or STATE_KEY_FILE: 32 bytes, or their base64.
// The notes stay each replica's own, in memory: where they belong is another story.
//
//	STATE_KEY=$(openssl rand -base64 32) go run ./examples/secured -redis redis://127.0.0.1:6379 ...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/trestle-mcp/trestle/secret"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
)

// config is what the flags say.
type config struct {
	addr, issuer, jwks, audience, rolesClaim, policy string

	redis, stateKey secret.Secret
	prefix          string // no flag: of the keys in Redis

	policyInterval time.Duration // no flag: how often the file is looked at; 0: the default
}

func main() {
	c := config{prefix: "secured"}
	redisURL, err := secret.FromEnv("REDIS_URL")
	if err == nil {
		c.stateKey, err = secret.FromEnv("STATE_KEY")
	}
	if err != nil {
		log.Fatal(err)
	}
	flag.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.StringVar(&c.issuer, "issuer", "", "`URL` of the authorization server, as its tokens name it; default: an issuer for demonstration")
	flag.StringVar(&c.jwks, "jwks", "", "`URL` of the issuer's keys; default: the issuer is asked")
	flag.StringVar(&c.audience, "audience", "", "`URL` that clients reach this server at, and that tokens must be for; default: http://ADDR/mcp")
	flag.StringVar(&c.rolesClaim, "roles-claim", "roles", "`claim` that holds the roles; a JSON pointer such as /realm_access/roles for one within another")
	flag.StringVar(&c.policy, "policy", "", "`file` that says what each role may do, followed while it changes; default: the policy.yaml built in")
	flag.TextVar(&c.redis, "redis", redisURL, "`URL` of the Redis that replicas share, or its host:port; default: REDIS_URL, or none")
	flag.Parse()
	if err := run(context.Background(), &c, os.Stdout, os.Stderr); err != nil { // until Ctrl-C; running calls end first
		fmt.Fprintln(os.Stderr, err)
		os.Exit(shutdown.ExitCode(err)) // another one after a second Ctrl-C, which ends all at once
	}
}

// run serves until ctx ends, and says on out where, and what to try. Log and
// audit go to logs.
func run(ctx context.Context, c *config, out, logs io.Writer) error {
	trusted, tour := c.issuer, func(string) string { return "" }
	if trusted == "" {
		if c.jwks != "" {
			return errors.New("-jwks needs -issuer, whose keys they are")
		}
		demo, err := newIssuer()
		if err != nil {
			return err
		}
		defer demo.close()
		trusted, tour = demo.url, demo.tour
	}
	s, err := c.secure(ctx, trusted, slog.New(slog.NewJSONHandler(logs, nil)))
	if err != nil {
		return err
	}
	defer s.close()
	srv, err := server.New("secured", "1.0.0", s.options(c.addr, newLog(logs)))
	if err != nil {
		return err
	}
	addNotes(srv)
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() {
		select {
		case <-ctx.Done():
		case <-srv.Ready():
			text := fmt.Sprintf("ready: http://%s/mcp\nmetadata: %s\n", srv.Addr(), s.guard.MetadataURL()) + tour(s.url)
			_, _ = io.WriteString(out, text) // at once: the log may go to the same terminal
		}
	})
	return srv.Run(ctx)
}
