package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// FastSampler shows what the looks between two ticks see. Observe and Glanced
// are for one goroutine.
type FastSampler struct {
	looks *prometheus.CounterVec
	// known are those of looks that were needed once: ten times a second, to
	// look for one costs more than to count.
	known [snapshot.NumContentionStates][snapshot.NumContentionWhys]prometheus.Counter
	wakes prometheus.Counter
	// What kernel triggers lead to.
	triggers prometheus.GaugeFunc
	glances  prometheus.Counter
}

// NewFastSampler makes a FastSampler that has seen nothing. triggers tells how many
// containers the kernel watches for it.
func NewFastSampler(triggers func() int) *FastSampler {
	return &FastSampler{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_fast_looks_total", Help: "Looks between two ticks, by whether regular tasks were squeezed.",
		}, []string{"state", "reason"}),
		wakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "estimatord_fast_wakes_total", Help: "Ticks that were taken before their time because regular tasks were squeezed.",
		}),
		triggers: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "estimatord_fast_triggers", Help: "Regular containers of which the kernel says at once that they wait for a CPU; 0: all are only polled.",
		}, func() float64 { return float64(triggers()) }),
		glances: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "estimatord_fast_triggered_looks_total", Help: "Looks that were taken before their time because the kernel said that regular containers wait for a CPU.",
		}),
	}
}

// Observe counts one look.
func (f *FastSampler) Observe(s snapshot.Contention) {
	known := &f.known[s.State][s.Why]
	if *known == nil {
		*known = f.looks.WithLabelValues(s.State.String(), s.Why.String())
	}
	(*known).Inc()
	f.wake(s)
}

// Glanced counts one look that a trigger led to.
func (f *FastSampler) Glanced(s snapshot.Contention) {
	f.glances.Inc()
	f.wake(s)
}

func (f *FastSampler) wake(s snapshot.Contention) {
	if s.Wake {
		f.wakes.Inc()
	}
}

// Describe is for prometheus.Collector.
func (f *FastSampler) Describe(ch chan<- *prometheus.Desc) {
	f.looks.Describe(ch)
	f.wakes.Describe(ch)
	f.triggers.Describe(ch)
	f.glances.Describe(ch)
}

// Collect is for prometheus.Collector.
func (f *FastSampler) Collect(ch chan<- prometheus.Metric) {
	f.looks.Collect(ch)
	f.wakes.Collect(ch)
	f.triggers.Collect(ch)
	f.glances.Collect(ch)
}
