// Package prometheus measures an MCP server for Prometheus.
//
//	metrics, err := prometheus.New(nil)
//	srv, err := server.New("calc", "1.0.0", &server.Options{
//		Observe: []mcp.Middleware{metrics.Middleware()},
//	})
//	metrics.Server(srv)
//	http.Handle("/metrics", metrics.Handler())
//
// The middleware counts and times calls; everything else is read when Prometheus asks, from the
// Stats of those parts that were made known: nothing is sent, so that nobody waits
// for a monitoring system.
//
// Labels are bounded. The name of a tool or prompt is a label once a call has
// shown that the server has it; what callers make up is counted under
// "_other", as are names beyond a limit. URIs, principals and sessions are in no label,
// and neither is anything of arguments or errors but the code.
//
// dashboard.json is a Grafana dashboard and alerts.yaml are alerting rules for
// these metrics:
//
//	trestle_calls_total{method, name, code}         code: ok, tool_error, or that of the error
//	trestle_call_duration_seconds{method, name}     histogram
//	trestle_calls_in_flight
//	trestle_rate_limited_total{rule}
//	trestle_sessions, trestle_requests_running, trestle_streams{kind}, trestle_requests_refused_total
//	trestle_authentication_refused_total{reason}, trestle_authorization_refused_total{reason}
//	trestle_gate_in_flight, trestle_gate_limit, trestle_abandoned_calls
//	trestle_pool_…{pool}, trestle_keyed_…{pool}
//	trestle_projection_lag_events{projection}, trestle_projection_lag_seconds{projection}, trestle_projection_failed{projection}
//	trestle_plugin_state{plugin, state}
//	trestle_source_failures_total, go_…, process_…
package prometheus
