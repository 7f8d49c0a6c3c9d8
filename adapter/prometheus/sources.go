package prometheus

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/pool"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

// Server adds the numbers of a *server.Server. Those of several are added up.
func (m *Metrics) Server(s interface{ Stats() server.Stats }) {
	m.sources.mu.Lock()
	defer m.sources.mu.Unlock()
	m.sources.servers = append(m.sources.servers, s.Stats)
}

// HTTP adds the numbers of a *transport.HTTPHandler that belongs to no
// *server.Server, as Server does.
func (m *Metrics) HTTP(h interface{ Stats() transport.Stats }) {
	m.sources.mu.Lock()
	defer m.sources.mu.Unlock()
	m.sources.servers = append(m.sources.servers, func() server.Stats { return server.Stats{HTTP: h.Stats()} })
}

// Guard adds who was refused for want of authentication, by a *auth.Guard.
func (m *Metrics) Guard(g interface{ Stats() auth.GuardStats }) {
	m.sources.add(func(emit emitter) {
		s := g.Stats()
		for reason, n := range map[string]int64{
			"unauthenticated": s.Unauthenticated, "forbidden": s.Forbidden, "failed": s.Failed, "other": s.Other,
		} {
			emit(authenticationRefused, float64(n), reason)
		}
	})
}

// Policy adds the decisions against calls of a *auth.Policy.
func (m *Metrics) Policy(p interface{ Stats() auth.PolicyStats }) {
	m.sources.add(func(emit emitter) {
		s := p.Stats()
		emit(authorizationRefused, float64(s.Denied), "denied")
		emit(authorizationRefused, float64(s.NeedScopes), "scopes")
	})
}

// Pool adds a *pool.Pool. Its name, which becomes a label, has to differ from those of
// other pools.
func (m *Metrics) Pool(p interface{ Stats() pool.Stats }) {
	m.sources.add(func(emit emitter) {
		s := p.Stats()
		for desc, n := range map[*prom.Desc]int{
			poolSize: s.MaxSize, poolInUse: s.InUse, poolIdle: s.Idle, poolCreating: s.Creating,
			poolWaiting: s.Waiting, poolStuck: s.Stuck,
		} {
			emit(desc, float64(n), s.Name)
		}
		for desc, n := range map[*prom.Desc]int64{
			poolAcquired: s.Acquired, poolWaited: s.Waited, poolShed: s.Shed, poolGaveUp: s.GaveUp, poolCreated: s.Created,
			poolCreateFailed: s.CreateFailed, poolInvalid: s.Invalid, poolDestroyed: s.Destroyed, poolLeaks: s.Leaks,
		} {
			emit(desc, float64(n), s.Name)
		}
		emit(poolWaitTime, s.WaitTime.Seconds(), s.Name)
	})
}

// Keyed adds a *pool.Keyed, as Pool does.
func (m *Metrics) Keyed(k interface{ Stats() pool.KeyedStats }) {
	m.sources.add(func(emit emitter) {
		s := k.Stats()
		for desc, n := range map[*prom.Desc]int{keyedLimit: s.MaxKeys, keyedValues: s.Values, keyedUnused: s.Unused, keyedStuck: s.Stuck} {
			emit(desc, float64(n), s.Name)
		}
		for desc, n := range map[*prom.Desc]int64{
			keyedOpened: s.Opened, keyedOpenFailed: s.OpenFailed, keyedEvicted: s.Evicted, keyedRefused: s.Refused,
		} {
			emit(desc, float64(n), s.Name)
		}
	})
}

// A Projection is how far something that follows an event store has come.
type Projection struct {
	Name   string
	Behind int64         // events that it has not seen; negative means unknown
	Age    time.Duration // of the oldest of them; negative means unknown
	Failed bool          // it has stopped, and will not catch up by itself
}

// Projections adds what fn returns each time. Names have to differ. What fn has
// not returned within 5 seconds is left out, and counted as a failure.
func (m *Metrics) Projections(fn func() []Projection) {
	m.sources.add(func(emit emitter) {
		for _, p := range fn() {
			if p.Behind >= 0 {
				emit(projectionLag, float64(p.Behind), p.Name)
			}
			if p.Age >= 0 {
				emit(projectionAge, p.Age.Seconds(), p.Name)
			}
			emit(projectionFailed, truth(p.Failed), p.Name)
		}
	})
}

// A Plugin is the state of a plugin, in the word of its manager: a plugin.State.
type Plugin struct{ Name, State string }

// Plugins adds what fn returns each time, as Projections does. Names have to
// differ.
func (m *Metrics) Plugins(fn func() []Plugin) {
	m.sources.add(func(emit emitter) {
		for _, p := range fn() {
			emit(pluginState, 1, p.Name, p.State)
		}
	})
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// An emitter hands one value to Prometheus.
type emitter func(desc *prom.Desc, value float64, labels ...string)

// sources collect what others count.
type sources struct {
	mu       sync.Mutex
	servers  []func() server.Stats
	all      []*source // the first asks servers
	failures prom.Counter
}

// A source is what somebody else counts.
type source struct {
	fn   func(emitter)
	left atomic.Int64 // askers that nobody waits for any more
}

// patience is how long sources have to answer, all together. It is less than
// who scrapes waits.
const patience = 5 * time.Second

func newSources() *sources {
	s := &sources{failures: prom.NewCounter(prom.CounterOpts{
		Name: "trestle_source_failures_total", Help: "Panics of parts that were asked for their numbers, and parts that did not answer.",
	})}
	s.add(s.emitServers)
	return s
}

func (s *sources) add(fn func(emitter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, &source{fn: fn})
}

// Describe implements [prom.Collector].
func (s *sources) Describe(ch chan<- *prom.Desc) {
	for desc := range described {
		ch <- desc
	}
	s.failures.Describe(ch)
}

// Collect implements [prom.Collector]. One that panics costs only its own
// numbers, and so does one that hangs, which is not asked again before it has
// answered. The lock is not held, as others may take their time.
func (s *sources) Collect(ch chan<- prom.Metric) {
	s.mu.Lock()
	all := slices.Clip(s.all)
	s.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	type answer struct {
		src     *source
		metrics []prom.Metric
	}
	answers, gone := make(chan answer), make(chan struct{})
	waiting := map[*source]bool{}
	for _, src := range all {
		if src.left.Load() > 0 {
			s.failures.Inc()
			continue
		}
		waiting[src] = true
		go func() {
			metrics := s.ask(src)
			select {
			case answers <- answer{src, metrics}:
			case <-gone:
				src.left.Add(-1)
			}
		}()
	}
	for late := false; len(waiting) > 0 && !late; {
		select {
		case a := <-answers:
			delete(waiting, a.src)
			for _, m := range a.metrics {
				ch <- m
			}
		case <-timer.C:
			late = true
		}
	}
	for src := range waiting {
		src.left.Add(1)
		s.failures.Inc()
	}
	close(gone)
	s.failures.Collect(ch)
}

// ask returns what src emits, if it does not panic.
func (s *sources) ask(src *source) (all []prom.Metric) {
	defer func() {
		if recover() != nil {
			s.failures.Inc()
			all = nil
		}
	}()
	src.fn(func(desc *prom.Desc, value float64, labels ...string) {
		all = append(all, prom.MustNewConstMetric(desc, described[desc], value, labels...))
	})
	return all
}

func (s *sources) emitServers(emit emitter) {
	s.mu.Lock()
	servers := slices.Clip(s.servers)
	s.mu.Unlock()
	if len(servers) == 0 {
		return
	}
	var sum server.Stats
	for _, stats := range servers {
		s := stats()
		sum.InFlight += s.InFlight
		sum.MaxInFlight += s.MaxInFlight
		sum.Abandoned += s.Abandoned
		sum.HTTP.Sessions += s.HTTP.Sessions
		sum.HTTP.Running += s.HTTP.Running
		sum.HTTP.Streams += s.HTTP.Streams
		sum.HTTP.Listens += s.HTTP.Listens
		sum.HTTP.Refused += s.HTTP.Refused
	}
	emit(gateInFlight, float64(sum.InFlight))
	emit(gateLimit, float64(sum.MaxInFlight))
	emit(abandoned, float64(sum.Abandoned))
	emit(sessions, float64(sum.HTTP.Sessions))
	emit(running, float64(sum.HTTP.Running))
	emit(streams, float64(sum.HTTP.Streams), "get")
	emit(streams, float64(sum.HTTP.Listens), "listen")
	emit(refused, float64(sum.HTTP.Refused))
}
