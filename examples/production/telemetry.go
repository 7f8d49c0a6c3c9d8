package main

import (
	"github.com/trestle-mcp/trestle/adapter/prometheus"
	"github.com/trestle-mcp/trestle/pool"
	"github.com/trestle-mcp/trestle/server"
)

// measure has calls counted and timed, for /metrics of the admin listener.
func (a *assembly) measure() error {
	metrics, err := prometheus.New(nil)
	if err != nil {
		return err
	}
	a.metrics = metrics
	a.opts.Observe = append(a.opts.Observe, metrics.Middleware())
	a.opts.Admin.Metrics = metrics.Handler()
	return nil
}

// expose adds the numbers of all that counts by itself.
func (a *assembly) expose(srv *server.Server, readers *pool.Pool[reader]) {
	a.metrics.Server(srv)
	a.metrics.Pool(readers)
	if a.opts.Auth != nil {
		a.metrics.Guard(a.opts.Auth)
		a.metrics.Policy(a.opts.Policy)
	}
}
