package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
)

// Sampling shows what reading the node costs and what could not be read. It is
// a tick.Observer, since only the loop may ask the monitor, and a
// prometheus.Collector, which answers from the copy made then.
type Sampling struct {
	prometheus.Collector
	stats func() monitor.Stats
	last  atomic.Pointer[monitor.Stats]
}

// NewSampling makes a Sampling that takes stats after each tick.
func NewSampling(stats func() monitor.Stats) *Sampling {
	s := &Sampling{stats: stats}
	source := func() (*monitor.Stats, bool) { st := s.last.Load(); return st, st != nil }
	s.Collector = newCollector(source, samplingFamilies)
	return s
}

// Observe takes the stats of the tick that was just done.
func (s *Sampling) Observe(*decision.Record, *snapshot.Snapshot) {
	st := s.stats()
	s.last.Store(&st)
}

var samplingFamilies = []family[*monitor.Stats]{
	number("sample_duration_seconds", "Time the last sample of all containers and the host took.",
		func(st *monitor.Stats) float64 { return st.Took.Seconds() }),
	number("sampled_containers", "Containers in the last sample, nested ones and those without a cgroup included.",
		func(st *monitor.Stats) float64 { return float64(st.Containers) }),
	number("sample_files_open", "Kernel files kept open to be read at each tick.",
		func(st *monitor.Stats) float64 { return float64(st.OpenFiles) }),
	number("sample_files_limit", "Kernel files that may be kept open.",
		func(st *monitor.Stats) float64 { return float64(st.FileLimit) }),
	{name: "sample_cpu_ratio", help: "Share of one CPU that sampling costs.", read: func(st *monitor.Stats, show show) {
		if st.CostShare.OK() {
			show(st.CostShare.V)
		}
	}},
	number("sample_cpu_budget_ratio", "Share of one CPU that sampling may cost.",
		func(st *monitor.Stats) float64 { return st.CostBudget }),
	number("sample_stretch_ratio", "How many times less often than set the expensive files are read, to stay within the budget.",
		func(st *monitor.Stats) float64 { return float64(st.CostStretch) }),
	{name: "readings_absent", help: "Readings of containers and of the host that were absent in the last sample, by reason.", labels: []string{"reason"}, read: func(st *monitor.Stats, show show) {
		for why, n := range st.Absent {
			if a := snapshot.Absence(why); a != snapshot.Present {
				show(float64(n), a.String())
			}
		}
	}},
}
