package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos"
)

// Ladder shows what is done for regular tasks, and what the rules in shadow
// mode would do. It is a loop.Observer and a prometheus.Collector.
type Ladder struct {
	last func() *decision.Record

	actions   *prometheus.CounterVec
	wouldKill *prometheus.CounterVec
	outcomes  *prometheus.CounterVec
}

// NewLadder makes a Ladder of the record that last returns.
func NewLadder(last func() *decision.Record) *Ladder {
	return &Ladder{
		last: last,
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_qos_actions_total", Help: "Ticks at which capacity was taken from revocable containers, or would have been by rules in shadow mode.",
		}, []string{"mode"}),
		wouldKill: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_would_have_killed_total", Help: "Revocable containers that rules in shadow mode would have killed, by rule.",
		}, []string{"rule"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "estimatord_would_have_outcomes_total", Help: "Kills of rules in shadow mode by what became of the pressure without them: cleared or lasted.",
		}, []string{"rule", "outcome"}),
	}
}

var (
	descSignalActive = prometheus.NewDesc("estimatord_signals_active", "1 while this node gives a reading of the signal, 0 while it is unknown.", []string{"signal"}, nil)
	descSignalValue  = prometheus.NewDesc("estimatord_signal", "Reading of a signal in its own unit; absent while it is unknown.", []string{"signal"}, nil)
	descRung         = prometheus.NewDesc("estimatord_ladder_rung", "1 for the rung on which a resource's ladder stands, 0 for the others.", []string{"resource", "rung"}, nil)
	descLimit        = prometheus.NewDesc("estimatord_throttle_limit", "What all throttled containers may use together; absent while none is.", perResource, nil)
	descThrottled    = prometheus.NewDesc("estimatord_throttled_containers", "Revocable containers that are to be throttled.", nil, nil)
	descFrozen       = prometheus.NewDesc("estimatord_frozen_containers", "Revocable containers that are to be frozen.", nil, nil)
	descStopped      = prometheus.NewDesc("estimatord_offer_stopped", "1 while the ladder or the kill budget has stopped the offer.", nil, nil)
	descBudgetLeft   = prometheus.NewDesc("estimatord_kill_budget_left", "Kills left in the budget.", nil, nil)
	descBreaker      = prometheus.NewDesc("estimatord_kill_breaker_open", "1 while the kill budget is spent: nothing is killed and nothing offered.", nil, nil)
	descHeld         = prometheus.NewDesc("estimatord_rule_held", "1 from when a policy rule has held for its time until it has cleared.", []string{"rule"}, nil)
	descClear        = prometheus.NewDesc("estimatord_rule_clear", "Level below which a policy rule has cleared, in the rule's own unit.", []string{"rule"}, nil)

	descWouldThrottle = prometheus.NewDesc("estimatord_would_have_throttled_containers", "Revocable containers that rules in shadow mode would throttle.", nil, nil)
	descWouldFreeze   = prometheus.NewDesc("estimatord_would_have_frozen_containers", "Revocable containers that rules in shadow mode would freeze.", nil, nil)
	descWouldStop     = prometheus.NewDesc("estimatord_would_have_stopped_offer", "1 while rules in shadow mode would stop the offer.", nil, nil)
	descWouldRung     = prometheus.NewDesc("estimatord_would_have_ladder_rung", "1 for the rung on which a resource's ladder would stand by the rules in shadow mode, 0 for the others.", []string{"resource", "rung"}, nil)
	descDeducted      = prometheus.NewDesc("estimatord_would_have_deducted_containers", "Running containers that rules in shadow mode would have killed, and therefore do not see.", nil, nil)
)

// Observe counts one record.
func (l *Ladder) Observe(r *decision.Record) {
	if r.QoS.Acted {
		l.actions.WithLabelValues("live").Inc()
	}
	s := r.QoS.Shadow
	if s == nil {
		return
	}
	if s.Acted {
		l.actions.WithLabelValues("shadow").Inc()
	}
	for _, v := range s.Kills {
		l.wouldKill.WithLabelValues(v.Cause().Rule).Inc()
	}
	for _, o := range s.Outcomes {
		outcome := "lasted"
		if o.Cleared {
			outcome = "cleared"
		}
		l.outcomes.WithLabelValues(o.Rule, outcome).Inc()
	}
}

// Describe implements prometheus.Collector.
func (l *Ladder) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descSignalActive, descSignalValue, descRung, descLimit, descThrottled, descFrozen, descStopped, descBudgetLeft, descBreaker,
		descHeld, descClear, descWouldThrottle, descWouldFreeze, descWouldStop, descWouldRung, descDeducted,
	} {
		ch <- d
	}
	l.actions.Describe(ch)
	l.wouldKill.Describe(ch)
	l.outcomes.Describe(ch)
}

// Collect implements prometheus.Collector.
func (l *Ladder) Collect(ch chan<- prometheus.Metric) {
	l.actions.Collect(ch)
	l.wouldKill.Collect(ch)
	l.outcomes.Collect(ch)
	r := l.last()
	if r == nil || len(r.QoS.Ladders) == 0 {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, s := range r.QoS.Signals {
		gauge(descSignalActive, boolean(s.Value.OK()), string(s.Signal))
		if s.Value.OK() {
			gauge(descSignalValue, s.Value.V, string(s.Signal))
		}
	}
	collectRungs(ch, descRung, r.QoS.Ladders)
	for _, s := range r.QoS.Ladders {
		if s.Limit > 0 {
			name, unit := resources.CPUs, "cores"
			if s.Resource == qos.Memory {
				name, unit = resources.Mem, "bytes"
			}
			gauge(descLimit, s.Limit, name, unit)
		}
	}
	gauge(descThrottled, float64(len(r.QoS.Actions.Throttles)))
	gauge(descFrozen, float64(len(r.QoS.Actions.Freezes)))
	gauge(descStopped, boolean(r.QoS.StopOffering))
	gauge(descBudgetLeft, float64(r.QoS.Budget.Left))
	gauge(descBreaker, boolean(r.QoS.Budget.Open))
	for i := range r.QoS.Rules {
		rule := &r.QoS.Rules[i]
		gauge(descHeld, boolean(rule.Held), rule.Name)
		gauge(descClear, rule.Clear, rule.Name)
	}
	if s := r.QoS.Shadow; s != nil {
		gauge(descWouldThrottle, float64(len(s.Actions.Throttles)))
		gauge(descWouldFreeze, float64(len(s.Actions.Freezes)))
		gauge(descWouldStop, boolean(s.StopOffering))
		gauge(descDeducted, float64(s.Deducted))
		collectRungs(ch, descWouldRung, s.Ladders)
	}
}

func collectRungs(ch chan<- prometheus.Metric, d *prometheus.Desc, ladders []qos.LadderState) {
	for _, s := range ladders {
		for rung := qos.None; rung <= qos.Kill; rung++ {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, boolean(s.Rung == rung), s.Resource.String(), rung.String())
		}
	}
}
