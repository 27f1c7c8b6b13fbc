package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// FastSampler counts the polls between two ticks. Observe is for one goroutine.
type FastSampler struct {
	group
	polls *prometheus.CounterVec
	// known are the counters that were needed once: twenty times a second, to find
	// one costs more than to count.
	known [snapshot.NumContentionStates][snapshot.NumContentionWhys]prometheus.Counter
	wakes prometheus.Counter
}

// NewFastSampler makes a FastSampler that has counted none.
func NewFastSampler() *FastSampler {
	f := &FastSampler{
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_fast_polls_total", Help: "Polls between two ticks, by whether regular tasks had to wait for CPU.",
		}, []string{"state", "reason"}),
		wakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "estimatord_fast_wakes_total", Help: "Ticks that were taken before their time because regular tasks had to wait for CPU.",
		}),
	}
	f.group = group{f.polls, f.wakes}
	return f
}

// Observe counts one poll.
func (f *FastSampler) Observe(s snapshot.Contention) {
	known := &f.known[s.State][s.Why]
	if *known == nil {
		*known = f.polls.WithLabelValues(s.State.String(), s.Why.String())
	}
	(*known).Inc()
	if s.Wake {
		f.wakes.Inc()
	}
}
