package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	rec "github.com/estimatord/estimatord/internal/recording"
)

// recording shows how recording goes.
type recording struct {
	stats func() rec.Stats
}

// NewRecording makes a collector of what stats says at each scrape.
func NewRecording(stats func() rec.Stats) prometheus.Collector { return recording{stats} }

var (
	descRecorded      = prometheus.NewDesc("estimatord_recorded_ticks_total", "Ticks written to the recording.", nil, nil)
	descUnrecorded    = prometheus.NewDesc("estimatord_unrecorded_ticks_total", "Ticks missing from the recording: the disk was too slow (behind), refused a write or was given time after that (error), or the tick is beyond the format (refused).", []string{"reason"}, nil)
	descRecordBytes   = prometheus.NewDesc("estimatord_recorded_bytes_total", "Bytes written to the recording.", nil, nil)
	descRecordFiles   = prometheus.NewDesc("estimatord_recording_files_total", "Files of the recording by what was done to them: begun, or removed for their age or the total.", []string{"event"}, nil)
	descRecordErrors  = prometheus.NewDesc("estimatord_recording_errors_total", "Errors of the disk under the recording.", nil, nil)
	descRecordWorking = prometheus.NewDesc("estimatord_recording_working", "1 while recording works, 0 from an error to the next block that could be written.", nil, nil)
)

func (r recording) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRecorded, descUnrecorded, descRecordBytes, descRecordFiles, descRecordErrors, descRecordWorking} {
		ch <- d
	}
}

func (r recording) Collect(ch chan<- prometheus.Metric) {
	st := r.stats()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	counter(descRecorded, st.Ticks)
	counter(descUnrecorded, st.Behind, "behind")
	counter(descUnrecorded, st.Lost, "error")
	counter(descUnrecorded, st.Refused, "refused")
	counter(descRecordBytes, st.Bytes)
	counter(descRecordFiles, st.Files, "begun")
	counter(descRecordFiles, st.Removed, "removed")
	counter(descRecordErrors, st.Errors)
	ch <- prometheus.MustNewConstMetric(descRecordWorking, prometheus.GaugeValue, boolean(st.Err == nil))
}
