package policyfile

import "github.com/prometheus/client_golang/prometheus"

var (
	descOK   = prometheus.NewDesc("estimatord_policy_last_reload_successful", "1 when the policy file was without fault when it was last read; 0: the policy in force is an older one.", nil, nil)
	descGood = prometheus.NewDesc("estimatord_policy_last_reload_success_timestamp_seconds", "When the policy file was last read and found without fault.", nil, nil)
	descInfo = prometheus.NewDesc("estimatord_policy_info", "The policy in force: the begin of the SHA-256 of its text.", []string{"hash"}, nil)
)

// Describe implements prometheus.Collector.
func (s *Source) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descOK, descGood, descInfo} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Without a policy file there is
// nothing to show.
func (s *Source) Collect(ch chan<- prometheus.Metric) {
	st := s.Status()
	if st.File == "" {
		return
	}
	ok := 1.0
	if st.Err != nil {
		ok = 0
	}
	ch <- prometheus.MustNewConstMetric(descOK, prometheus.GaugeValue, ok)
	ch <- prometheus.MustNewConstMetric(descGood, prometheus.GaugeValue, float64(st.Good.UnixMilli())/1000)
	ch <- prometheus.MustNewConstMetric(descInfo, prometheus.GaugeValue, 1, st.Hash)
}
