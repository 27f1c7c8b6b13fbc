package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/snapshot"
)

// FastLane shows what the looks between two ticks see. Observe is for one
// goroutine.
type FastLane struct {
	looks *prometheus.CounterVec
	// known are those of looks that were needed once: ten times a second, to
	// look for one costs more than to count.
	known [snapshot.NumSqueezeStates][snapshot.NumSqueezeWhys]prometheus.Counter
	wakes prometheus.Counter
}

// NewFastLane makes a FastLane that has seen nothing.
func NewFastLane() *FastLane {
	return &FastLane{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_fast_looks_total", Help: "Looks between two ticks, by whether regular tasks were squeezed.",
		}, []string{"state", "reason"}),
		wakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "estimatord_fast_wakes_total", Help: "Ticks that were taken before their time because regular tasks were squeezed.",
		}),
	}
}

// Observe counts one look.
func (f *FastLane) Observe(s snapshot.Squeeze) {
	known := &f.known[s.State][s.Why]
	if *known == nil {
		*known = f.looks.WithLabelValues(s.State.String(), s.Why.String())
	}
	(*known).Inc()
	if s.Wake {
		f.wakes.Inc()
	}
}

// Describe is for prometheus.Collector.
func (f *FastLane) Describe(ch chan<- *prometheus.Desc) { f.looks.Describe(ch); f.wakes.Describe(ch) }

// Collect is for prometheus.Collector.
func (f *FastLane) Collect(ch chan<- prometheus.Metric) { f.looks.Collect(ch); f.wakes.Collect(ch) }
