package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/throttle"
)

// throttle shows what was written to control files.
type throttleCollector struct {
	report func() throttle.Report
}

// NewThrottle makes a collector of the newest report.
func NewThrottle(report func() throttle.Report) prometheus.Collector {
	return throttleCollector{report}
}

var (
	descWrites   = prometheus.NewDesc("estimatord_throttle_files_total", "Control files of revocable containers by what happened to them: applied, restored, overwritten by somebody else, failed.", []string{"event"}, nil)
	descSettings = prometheus.NewDesc("estimatord_throttle_settings", "Control files that are to be held or given back, by setting and how that stands.", []string{"setting", "state"}, nil)
	descJournal  = prometheus.NewDesc("estimatord_throttle_journal_ok", "1 while the journal of throttles can be written; without it nothing is throttled.", nil, nil)
)

func (t throttleCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descWrites
	ch <- descSettings
	ch <- descJournal
}

func (t throttleCollector) Collect(ch chan<- prometheus.Metric) {
	r := t.report()
	for _, c := range []struct {
		event string
		n     uint64
	}{
		{"applied", r.Counters.Applied},
		{"restored", r.Counters.Restored},
		{"overwritten", r.Counters.Overwritten},
		{"failed", r.Counters.Failed},
	} {
		ch <- prometheus.MustNewConstMetric(descWrites, prometheus.CounterValue, float64(c.n), c.event)
	}
	type label struct{ setting, state string }
	n := map[label]int{}
	for i := range r.Containers {
		for _, s := range r.Containers[i].Settings {
			n[label{s.Name, string(s.Why)}]++
		}
	}
	for l, count := range n {
		ch <- prometheus.MustNewConstMetric(descSettings, prometheus.GaugeValue, float64(count), l.setting, l.state)
	}
	ch <- prometheus.MustNewConstMetric(descJournal, prometheus.GaugeValue, boolean(r.Journal == throttle.InForce))
}
