package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
)

// Build is what the binary says of itself.
type Build struct {
	Version, Revision, GoVersion string
}

// Metrics keeps what has to be counted tick by tick, and shows the last record
// at each scrape. It is a loop.Observer and a prometheus.Collector; all names
// begin with "estimatord_".
type Metrics struct {
	last func() *decision.Record

	ticks        prometheus.Counter
	tickSeconds  prometheus.Histogram
	offerReasons *prometheus.CounterVec
	qosReasons   *prometheus.CounterVec
	kills        *prometheus.CounterVec
}

// NewMetrics makes the registry of everything the daemon exports: its own
// metrics, the process's, the Go runtime's, and those of more.
func NewMetrics(last func() *decision.Record, build Build, more ...prometheus.Collector) (*Metrics, *prometheus.Registry) {
	m := &Metrics{
		last: last,
		ticks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "estimatord_ticks_total", Help: "Ticks done: one sample, one estimate, one decision each.",
		}),
		tickSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "estimatord_tick_duration_seconds", Help: "Time one tick took, from the first read to the decision.",
			// 0.1 ms is a tick of ten containers, 1 s is the default interval.
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1},
		}),
		offerReasons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_offer_decisions_total", Help: "Ticks by what decided the offer of a resource.",
		}, []string{"resource", "reason"}),
		qosReasons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_qos_decisions_total", Help: "Ticks by what was decided for the protection of regular tasks.",
		}, []string{"reason"}),
		kills: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_qos_kills_total", Help: "Revocable containers that were decided to be killed, by rule.",
		}, []string{"rule"}),
	}
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "estimatord_build_info", Help: "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "goversion": build.GoVersion},
	})
	info.Set(1)
	r.MustRegister(
		info, m.ticks, m.tickSeconds, m.offerReasons, m.qosReasons, m.kills, lastRecord{m.last},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	r.MustRegister(more...)
	return m, r
}

// Observe counts one record.
func (m *Metrics) Observe(r *decision.Record) {
	m.ticks.Inc()
	m.tickSeconds.Observe(r.Took.Seconds())
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		m.offerReasons.WithLabelValues(o.Name, string(o.Why)).Inc()
	}
	m.qosReasons.WithLabelValues(string(r.QoS.Why)).Inc()
	for _, v := range r.QoS.Kills {
		m.kills.WithLabelValues(v.Cause().Rule).Inc()
	}
}

// lastRecord shows the newest record as gauges. What a tick did not know is
// not shown at all, rather than as zero.
type lastRecord struct {
	last func() *decision.Record
}

var (
	perResource  = []string{"resource", "unit"}
	perPredictor = []string{"resource", "predictor"}

	descLastTick   = prometheus.NewDesc("estimatord_last_tick_timestamp_seconds", "When the last tick was done, in seconds since 1970.", nil, nil)
	descConnected  = prometheus.NewDesc("estimatord_agent_reported", "1 once an agent has reported its usage, 0 before.", nil, nil)
	descUsageAge   = prometheus.NewDesc("estimatord_agent_usage_age_seconds", "Age of the agent's last usage report at the last tick.", nil, nil)
	descContainers = prometheus.NewDesc("estimatord_containers", "Top-level containers by class: regular, revocable, shared (revocable, but runs a regular task too), unknown_to_agent.", []string{"class"}, nil)
	descOffDisk    = prometheus.NewDesc("estimatord_containers_not_on_disk", "Containers the agent lists that have no cgroup.", nil, nil)
	descUnreadable = prometheus.NewDesc("estimatord_containers_unreadable", "Containers on disk whose CPU use could not be read.", nil, nil)
	descInFlight   = prometheus.NewDesc("estimatord_kills_in_flight", "Kills decided whose container is not gone yet.", nil, nil)

	descPromises = prometheus.NewDesc("estimatord_predictor_promises_total", "Predictions of a predictor whose horizon is over and that were judged.", perPredictor, nil)
	descBroken   = prometheus.NewDesc("estimatord_predictor_promises_broken_total", "Those that demand rose above: divided by estimatord_predictor_promises_total, the violation rate.", perPredictor, nil)
	descJudged   = prometheus.NewDesc("estimatord_predictor_judged_allocated_total", "Allocated to regular containers, summed over the predictions that were judged.", perPredictor, nil)
	descPromised = prometheus.NewDesc("estimatord_predictor_judged_slack_total", "Slack by the predictions that were judged, summed: divided by estimatord_predictor_judged_allocated_total, the savings.", perPredictor, nil)

	descSignal    = prometheus.NewDesc("estimatord_rule_signal", "Reading of a policy rule, in the rule's own unit; absent while it is unknown.", []string{"rule"}, nil)
	descThreshold = prometheus.NewDesc("estimatord_rule_threshold", "Threshold of a policy rule, in the rule's own unit.", []string{"rule"}, nil)
	descExceeded  = prometheus.NewDesc("estimatord_rule_exceeded", "1 while a policy rule's reading is above its threshold.", []string{"rule"}, nil)
)

// amount is one term of an offer as a gauge.
type amount struct {
	desc *prometheus.Desc
	get  func(*estimator.ResourceOffer) (resources.Milli, bool)
}

func newAmount(name, help string, get func(*estimator.ResourceOffer) resources.Milli) amount {
	return amount{
		desc: prometheus.NewDesc("estimatord_"+name, help, perResource, nil),
		get:  func(o *estimator.ResourceOffer) (resources.Milli, bool) { return get(o), true },
	}
}

// amounts are the terms of the offer, in the order of the formula.
var amounts = []amount{
	newAmount("regular_allocated", "Allocated to regular containers.", func(o *estimator.ResourceOffer) resources.Milli { return o.Allocated }),
	newAmount("regular_usage", "Used by regular containers; an unknown use counts as the allocation.", func(o *estimator.ResourceOffer) resources.Milli { return o.Usage }),
	newAmount("regular_predicted_peak", "Predicted peak of what regular containers will use.", func(o *estimator.ResourceOffer) resources.Milli { return o.Peak }),
	newAmount("margin", "Kept back on top of the predicted peak.", func(o *estimator.ResourceOffer) resources.Milli { return o.Margin }),
	newAmount("unmanaged_usage", "Used outside the agent's containers beyond what the agent leaves to the node.", func(o *estimator.ResourceOffer) resources.Milli { return o.Unmanaged }),
	newAmount("slack", "Allocated to regular containers and not needed by them: allocated - peak - margin - unmanaged.", func(o *estimator.ResourceOffer) resources.Milli { return o.Slack }),
	{
		desc: prometheus.NewDesc("estimatord_cap", "The operator's limit on what may be revocable; absent without one.", perResource, nil),
		get:  func(o *estimator.ResourceOffer) (resources.Milli, bool) { return o.Cap, o.Capped },
	},
	newAmount("promised", "All that may be revocable, after the governor.", func(o *estimator.ResourceOffer) resources.Milli { return o.Gross }),
	newAmount("revocable_allocated", "Allocated as revocable.", func(o *estimator.ResourceOffer) resources.Milli { return o.AllocatedRevocable }),
	newAmount("offered", "Offered to the agent on top of what is allocated as revocable: promised - revocable_allocated.", func(o *estimator.ResourceOffer) resources.Milli { return o.Free }),
}

func (c lastRecord) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descLastTick, descConnected, descUsageAge, descContainers, descOffDisk, descUnreadable, descInFlight,
		descPromises, descBroken, descJudged, descPromised, descSignal, descThreshold, descExceeded,
	} {
		ch <- d
	}
	for _, a := range amounts {
		ch <- a.desc
	}
}

func (c lastRecord) Collect(ch chan<- prometheus.Metric) {
	r := c.last()
	if r == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descLastTick, seconds(r.At))
	gauge(descConnected, boolean(r.Agent != ""))
	if r.Agent != "" {
		gauge(descUsageAge, r.UsageAge.Seconds())
	}
	gauge(descContainers, float64(r.Containers.Regular), "regular")
	gauge(descContainers, float64(r.Containers.Revocable), "revocable")
	gauge(descContainers, float64(r.Containers.Shared), "shared")
	gauge(descContainers, float64(r.Containers.UnknownToAgent), "unknown_to_agent")
	gauge(descOffDisk, float64(r.Containers.NotOnDisk))
	gauge(descUnreadable, float64(r.Containers.Unreadable))
	gauge(descInFlight, float64(r.InFlight))
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		unit, scale := unitOf(o.Name)
		for _, a := range amounts {
			if v, ok := a.get(o); ok {
				gauge(a.desc, v.Float()*scale, o.Name, unit)
			}
		}
	}
	for i := range r.Offer.Grades {
		collectGrade(ch, &r.Offer.Grades[i])
	}
	for i := range r.QoS.Rules {
		rule := &r.QoS.Rules[i]
		if rule.Value.OK() {
			gauge(descSignal, rule.Value.V, rule.Name)
		}
		gauge(descThreshold, rule.Above, rule.Name)
		gauge(descExceeded, boolean(rule.Exceeded), rule.Name)
	}
}

func collectGrade(ch chan<- prometheus.Metric, g *estimator.Graded) {
	_, scale := unitOf(g.Resource)
	for _, c := range []struct {
		desc *prometheus.Desc
		v    float64
	}{
		{descPromises, float64(g.Promises)},
		{descBroken, float64(g.Broken)},
		{descJudged, g.Allocated * scale},
		{descPromised, g.Slack * scale},
	} {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, c.v, g.Resource, g.Predictor)
	}
}

// unitOf is the Prometheus base unit of a Mesos resource, and what one Mesos
// unit of it is in that.
func unitOf(resource string) (unit string, scale float64) {
	switch resource {
	case resources.CPUs:
		return "cores", 1
	case resources.Mem, "disk":
		return "bytes", resources.MemUnitBytes
	}
	return "units", 1
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
