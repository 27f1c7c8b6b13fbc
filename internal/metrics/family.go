// Package metrics is what the daemon shows Prometheus: tables of metrics that are
// read at a scrape, counters of ticks, and the page of containers.
//
// A metric has one unit, which ends its name (_cores, _bytes, _seconds); the label
// resource is cpus or mem. What is not known is absent, never 0.
package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// family is one metric that is read from a T at each scrape. Its name says what
// it is: counters end in _total, the others are gauges.
type family[T any] struct {
	name, help string
	labels     []string
	read       func(from T, show show)
}

// show shows one value. What is not known is not shown at all, rather than as 0.
type show func(value float64, labels ...string)

// number is a family of one value without labels.
func number[T any](name, help string, read func(T) float64) family[T] {
	return family[T]{name: name, help: help, read: func(from T, show show) { show(read(from)) }}
}

// collector shows families of what source returns; false: there is nothing yet.
type collector[T any] struct {
	source   func() (T, bool)
	families []family[T]
	descs    []*prometheus.Desc
}

func newCollector[T any](source func() (T, bool), families []family[T]) *collector[T] {
	c := &collector[T]{source: source, families: families}
	for i := range families {
		f := &families[i]
		c.descs = append(c.descs, prometheus.NewDesc("estimatord_"+f.name, f.help, f.labels, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector[T]) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector[T]) Collect(ch chan<- prometheus.Metric) {
	from, ok := c.source()
	if !ok {
		return
	}
	for i := range c.families {
		kind := prometheus.GaugeValue
		if strings.HasSuffix(c.families[i].name, "_total") {
			kind = prometheus.CounterValue
		}
		c.families[i].read(from, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(c.descs[i], kind, v, labels...)
		})
	}
}

// always is a source that has something from the beginning.
func always[T any](get func() T) func() (T, bool) {
	return func() (T, bool) { return get(), true }
}

// group is several collectors as one.
type group []prometheus.Collector

// Describe implements prometheus.Collector.
func (g group) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range g {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (g group) Collect(ch chan<- prometheus.Metric) {
	for _, c := range g {
		c.Collect(ch)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
