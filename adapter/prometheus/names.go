package prometheus

import prom "github.com/prometheus/client_golang/prometheus"

// The metrics of calls.
var (
	callsTotal    = prom.NewDesc("trestle_calls_total", "Calls and notifications that have ended, by how they did.", []string{"method", "name", "code"}, nil)
	callDuration  = prom.NewDesc("trestle_call_duration_seconds", "How long calls took.", []string{"method", "name"}, nil)
	callsInFlight = prom.NewDesc("trestle_calls_in_flight", "Calls that have not ended.", nil, nil)
	rateLimited   = prom.NewDesc("trestle_rate_limited_total", "Calls that a rate limit refused, by its rule.", []string{"rule"}, nil)
)

// described are the metrics of sources, and whether they go up and down.
var described = map[*prom.Desc]prom.ValueType{}

func gauge(name, help string, labels ...string) *prom.Desc {
	return describe(prom.GaugeValue, name, help, labels)
}

func counter(name, help string, labels ...string) *prom.Desc {
	return describe(prom.CounterValue, name, help, labels)
}

func describe(kind prom.ValueType, name, help string, labels []string) *prom.Desc {
	desc := prom.NewDesc(name, help, labels, nil)
	described[desc] = kind
	return desc
}

var (
	sessions = gauge("trestle_sessions", "Legacy sessions that are open.")
	running  = gauge("trestle_requests_running", "HTTP requests that are being answered.")
	streams  = gauge("trestle_streams", "Streams that are open: get, of legacy sessions, and listen.", "kind")
	refused  = counter("trestle_requests_refused_total", "HTTP requests that reached no handler.")

	authenticationRefused = counter("trestle_authentication_refused_total", "Requests without valid credentials, by reason.", "reason")
	authorizationRefused  = counter("trestle_authorization_refused_total", "Calls that the policy did not let through, by reason.", "reason")

	gateInFlight = gauge("trestle_gate_in_flight", "Calls that count for the limit of concurrency.")
	gateLimit    = gauge("trestle_gate_limit", "How many calls may run at a time; 0 is no limit.")
	abandoned    = gauge("trestle_abandoned_calls", "Handlers that run on beyond their deadline.")

	poolSize         = gauge("trestle_pool_size_limit", "How many resources there may be.", "pool")
	poolInUse        = gauge("trestle_pool_in_use", "Resources that are lent.", "pool")
	poolIdle         = gauge("trestle_pool_idle", "Resources that are ready to be lent.", "pool")
	poolCreating     = gauge("trestle_pool_creating", "Resources that are being made.", "pool")
	poolWaiting      = gauge("trestle_pool_waiting", "Callers that wait for a resource.", "pool")
	poolStuck        = gauge("trestle_pool_stuck", "Callbacks that hang.", "pool")
	poolAcquired     = counter("trestle_pool_acquired_total", "Resources lent.", "pool")
	poolWaited       = counter("trestle_pool_waited_total", "Resources that were waited for.", "pool")
	poolWaitTime     = counter("trestle_pool_wait_seconds_total", "How long resources were waited for.", "pool")
	poolShed         = counter("trestle_pool_shed_total", "Callers refused because too many waited.", "pool")
	poolGaveUp       = counter("trestle_pool_gave_up_total", "Callers that ended their waiting.", "pool")
	poolCreated      = counter("trestle_pool_created_total", "Resources made.", "pool")
	poolCreateFailed = counter("trestle_pool_create_failed_total", "Resources that could not be made.", "pool")
	poolInvalid      = counter("trestle_pool_invalid_total", "Resources that did not work any more.", "pool")
	poolDestroyed    = counter("trestle_pool_destroyed_total", "Resources ended.", "pool")
	poolLeaks        = counter("trestle_pool_leaks_total", "Resources that were held for too long.", "pool")

	keyedLimit      = gauge("trestle_keyed_limit", "How many values there may be; negative is no limit.", "pool")
	keyedValues     = gauge("trestle_keyed_values", "Values that there are.", "pool")
	keyedUnused     = gauge("trestle_keyed_unused", "Values that nobody uses.", "pool")
	keyedStuck      = gauge("trestle_keyed_stuck", "Callbacks that hang.", "pool")
	keyedOpened     = counter("trestle_keyed_opened_total", "Values made.", "pool")
	keyedOpenFailed = counter("trestle_keyed_open_failed_total", "Values that could not be made.", "pool")
	keyedEvicted    = counter("trestle_keyed_evicted_total", "Values closed to make room.", "pool")
	keyedRefused    = counter("trestle_keyed_refused_total", "Callers for whom there was no room.", "pool")

	projectionLag    = gauge("trestle_projection_lag_events", "Events that the projection has not seen.", "projection")
	projectionAge    = gauge("trestle_projection_lag_seconds", "Age of the oldest event that the projection has not seen.", "projection")
	projectionFailed = gauge("trestle_projection_failed", "1 if the projection has stopped.", "projection")

	pluginState = gauge("trestle_plugin_state", "1 for the state that the plugin is in.", "plugin", "state")
)
