package metrics

import (
	"fmt"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Build is what the binary says of itself.
type Build struct {
	Version, Revision, GoVersion string
}

// String names the build for people.
func (b Build) String() string {
	return fmt.Sprintf("estimatord %s (revision %s, %s, %s/%s)", b.Version, b.Revision, b.GoVersion, runtime.GOOS, runtime.GOARCH)
}

// NewRegistry makes the registry of everything the daemon exports: all, and what
// the process and the Go runtime say of themselves.
func NewRegistry(build Build, all ...prometheus.Collector) *prometheus.Registry {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "estimatord_build_info", Help: "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "goversion": build.GoVersion},
	})
	info.Set(1)
	r := prometheus.NewRegistry()
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(all...)
	return r
}

// Ticks counts what has to be counted tick by tick. It is a tick.Observer and a
// prometheus.Collector.
type Ticks struct {
	group

	ticks   prometheus.Counter
	seconds prometheus.Histogram

	offers, qos, kills, actions, shadowKills, shadowOutcomes *prometheus.CounterVec
}

// NewTicks makes a Ticks that has counted none.
func NewTicks() *Ticks {
	t := &Ticks{
		ticks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "estimatord_ticks_total", Help: "Ticks done: one sample, one estimate, one decision each.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "estimatord_tick_duration_seconds", Help: "Time one tick took, from the first read to the decision.",
			// 0.1 ms is a tick of ten containers, 1 s is the default interval.
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1},
		}),
	}
	t.group = group{t.ticks, t.seconds}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "estimatord_" + name, Help: help}, labels)
		t.group = append(t.group, c)
		return c
	}
	t.offers = counter("offer_decisions_total", "Ticks by what decided the offer of a resource.", "resource", "reason")
	t.qos = counter("qos_decisions_total", "Ticks by what was decided for the protection of regular tasks.", "reason")
	t.kills = counter("qos_kills_total", "Revocable containers that were decided to be killed, by rule.", "rule")
	t.actions = counter("qos_actions_total", "Ticks at which capacity was taken from revocable containers, or would have been by rules in shadow mode.", "mode")
	t.shadowKills = counter("would_have_killed_total", "Revocable containers that rules in shadow mode would have killed, by rule.", "rule")
	t.shadowOutcomes = counter("would_have_outcomes_total", "Kills of rules in shadow mode by what became of the pressure without them: cleared or lasted.", "rule", "outcome")
	return t
}

// Observe counts one record.
func (t *Ticks) Observe(r *decision.Record, _ *snapshot.Snapshot) {
	t.ticks.Inc()
	t.seconds.Observe(r.TookSeconds)
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		t.offers.WithLabelValues(o.Resource, string(r.OfferWhy(o))).Inc()
	}
	t.qos.WithLabelValues(string(r.QoS.Why)).Inc()
	for _, v := range r.QoS.Kills {
		t.kills.WithLabelValues(v.Cause().Rule).Inc()
	}
	if r.QoS.Acted {
		t.actions.WithLabelValues("live").Inc()
	}
	s := r.QoS.Shadow
	if s == nil {
		return
	}
	if s.Acted {
		t.actions.WithLabelValues("shadow").Inc()
	}
	for _, v := range s.Kills {
		t.shadowKills.WithLabelValues(v.Cause().Rule).Inc()
	}
	for _, o := range s.Outcomes {
		outcome := "lasted"
		if o.Cleared {
			outcome = "cleared"
		}
		t.shadowOutcomes.WithLabelValues(o.Rule, outcome).Inc()
	}
}
