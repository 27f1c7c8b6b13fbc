package policyfile

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// only is the one metric of s with that in its name.
type only struct {
	s    *Source
	name string
}

func (o only) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(o, ch) }

func (o only) Collect(ch chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric, 10)
	o.s.Collect(all)
	close(all)
	for m := range all {
		if strings.Contains(m.Desc().String(), o.name+`"`) {
			ch <- m
		}
	}
}
