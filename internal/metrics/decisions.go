package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
)

// decisions shows how the decision log goes.
type decisions struct {
	stats func() decisionlog.Stats
}

// NewDecisions makes a collector of what stats says at each scrape.
func NewDecisions(stats func() decisionlog.Stats) prometheus.Collector { return decisions{stats} }

var (
	descLogged      = prometheus.NewDesc("estimatord_decisions_logged_total", "Ticks written to the decision log.", nil, nil)
	descUnlogged    = prometheus.NewDesc("estimatord_decisions_dropped_total", "Ticks missing from the decision log: the disk was too slow (behind), or refused a write or was given time after that (error).", []string{"reason"}, nil)
	descLogBytes    = prometheus.NewDesc("estimatord_decisions_bytes_total", "Bytes written to the decision log, before compression.", nil, nil)
	descLogFiles    = prometheus.NewDesc("estimatord_decisions_files_total", "Files of the decision log by what was done to them: begun, or removed for the total.", []string{"event"}, nil)
	descLogsWorking = prometheus.NewDesc("estimatord_decisions_working", "1 while the decision log is written, 0 from an error to the next line that could be written.", nil, nil)
)

func (d decisions) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{descLogged, descUnlogged, descLogBytes, descLogFiles, descLogsWorking} {
		ch <- desc
	}
}

func (d decisions) Collect(ch chan<- prometheus.Metric) {
	st := d.stats()
	counter := func(desc *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	counter(descLogged, st.Lines)
	counter(descUnlogged, st.Behind, "behind")
	counter(descUnlogged, st.Lost, "error")
	counter(descLogBytes, st.Bytes)
	counter(descLogFiles, st.Files, "begun")
	counter(descLogFiles, st.Removed, "removed")
	ch <- prometheus.MustNewConstMetric(descLogsWorking, prometheus.GaugeValue, boolean(st.Err == nil))
}
