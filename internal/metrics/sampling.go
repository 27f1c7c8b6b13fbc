package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
)

// Sampling shows what reading the node costs and what could not be read. It is
// a loop.Observer, since only the loop may ask the monitor, and a
// prometheus.Collector, which answers from the copy made then.
type Sampling struct {
	stats func() monitor.Stats
	last  atomic.Pointer[monitor.Stats]
}

// NewSampling makes a Sampling that takes stats after each tick.
func NewSampling(stats func() monitor.Stats) *Sampling { return &Sampling{stats: stats} }

// Observe takes the stats of the tick that was just done.
func (s *Sampling) Observe(*decision.Record) {
	st := s.stats()
	s.last.Store(&st)
}

var (
	descSampleSeconds = prometheus.NewDesc("estimatord_sample_duration_seconds", "Time the last sample of all containers and the host took.", nil, nil)
	descSampled       = prometheus.NewDesc("estimatord_sampled_containers", "Containers in the last sample, nested ones and those without a cgroup included.", nil, nil)
	descFilesOpen     = prometheus.NewDesc("estimatord_sample_files_open", "Kernel files kept open to be read at each tick.", nil, nil)
	descFilesLimit    = prometheus.NewDesc("estimatord_sample_files_limit", "Kernel files that may be kept open.", nil, nil)
	descCostShare     = prometheus.NewDesc("estimatord_sample_cpu_ratio", "Share of one CPU that sampling costs.", nil, nil)
	descCostBudget    = prometheus.NewDesc("estimatord_sample_cpu_budget_ratio", "Share of one CPU that sampling may cost.", nil, nil)
	descStretch       = prometheus.NewDesc("estimatord_sample_stretch_ratio", "How many times less often than set the expensive files are read, to stay within the budget.", nil, nil)
	descAbsent        = prometheus.NewDesc("estimatord_readings_absent", "Readings of containers that were absent in the last sample, by reason.", []string{"reason"}, nil)
)

// Describe is for prometheus.Collector.
func (s *Sampling) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSampleSeconds, descSampled, descFilesOpen, descFilesLimit, descCostShare, descCostBudget, descStretch, descAbsent} {
		ch <- d
	}
}

// Collect is for prometheus.Collector.
func (s *Sampling) Collect(ch chan<- prometheus.Metric) {
	st := s.last.Load()
	if st == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descSampleSeconds, st.Took.Seconds())
	gauge(descSampled, float64(st.Containers))
	gauge(descFilesOpen, float64(st.OpenFiles))
	gauge(descFilesLimit, float64(st.FileLimit))
	if st.CostShare.OK() {
		gauge(descCostShare, st.CostShare.V)
	}
	gauge(descCostBudget, st.CostBudget)
	gauge(descStretch, float64(st.CostStretch))
	for why, n := range st.Absent {
		if a := snapshot.Absence(why); a != snapshot.Present {
			gauge(descAbsent, float64(n), a.String())
		}
	}
}
