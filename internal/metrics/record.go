package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

type recordFamily = family[*decision.Record]

// NewRecord shows the newest record, nil before the first tick, at each scrape.
func NewRecord(last func() *decision.Record) prometheus.Collector {
	source := func() (*decision.Record, bool) { r := last(); return r, r != nil }
	families := append(amountFamilies(), recordFamilies...)
	return newCollector(source, families)
}

var recordFamilies = []recordFamily{
	number("last_tick_timestamp_seconds", "When the last tick was done, in seconds since 1970.",
		func(r *decision.Record) float64 { return float64(r.At.UnixNano()) / 1e9 }),
	number("agent_reported", "1 once an agent has reported its usage, 0 before.",
		func(r *decision.Record) float64 { return boolean(r.Agent != "") }),
	{name: "agent_usage_age_seconds", help: "Age of the agent's last usage report at the last tick.", read: func(r *decision.Record, show show) {
		if r.Agent != "" {
			show(r.UsageAgeSeconds)
		}
	}},
	{name: "containers", help: "Top-level containers by class: regular, revocable, shared (revocable, but runs a regular task too), unknown_to_agent.", labels: []string{"class"}, read: func(r *decision.Record, show show) {
		show(float64(r.Containers.Regular), "regular")
		show(float64(r.Containers.Revocable), "revocable")
		show(float64(r.Containers.Shared), "shared")
		show(float64(r.Containers.UnknownToAgent), "unknown_to_agent")
	}},
	number("containers_not_on_disk", "Containers the agent lists that have no cgroup.",
		func(r *decision.Record) float64 { return float64(r.Containers.NotOnDisk) }),
	number("containers_unreadable", "Containers on disk whose CPU use could not be read.",
		func(r *decision.Record) float64 { return float64(r.Containers.Unreadable) }),
	number("kills_in_flight", "Kills decided whose container is not gone yet.",
		func(r *decision.Record) float64 { return float64(r.InFlight) }),

	{name: "not_offering", help: "1 for each resource of which nothing may be revocable, with the reason; absent otherwise.", labels: []string{"resource", "reason"}, read: func(r *decision.Record, show show) {
		for i := range r.Offer.Resources {
			if o := &r.Offer.Resources[i]; o.RevocableTotal == 0 {
				show(1, o.Resource, string(r.OfferWhy(o)))
			}
		}
	}},
	{name: "learning_seconds", help: "For how long yet the estimate of a resource goes by what other machines have shown, or counts young containers in full; 0: no longer.", labels: []string{"resource"}, read: func(r *decision.Record, show show) {
		for i := range r.Offer.Resources {
			if o := &r.Offer.Resources[i]; o.Estimate != nil {
				show(max(o.LearningSeconds, o.CalibratingSeconds), o.Resource)
			}
		}
	}},
	number("paused", "1 while an operator has paused the daemon: nothing is offered and nothing taken.",
		func(r *decision.Record) float64 { return boolean(r.Commands.Paused) }),
	ofScores("predictions_total", "Predictions of a predictor whose horizon is over and that were scored.",
		func(s *estimator.PredictorScore) float64 { return float64(s.Predictions) }),
	ofScores("prediction_violations_total", "Those that demand rose above: divided by estimatord_predictions_total, the violation rate.",
		func(s *estimator.PredictorScore) float64 { return float64(s.Violations) }),

	ofRules("rule_signal", "Reading of a policy rule, in the rule's own unit; absent while it is unknown.",
		func(r *qos.RuleState) (float64, bool) { return r.Value.V, r.Value.OK() }),
	{name: "rule_blind", help: "1 for each policy rule that has no reading, with the reason; absent otherwise.", labels: []string{"rule", "reason"}, read: func(r *decision.Record, show show) {
		for i := range r.QoS.Rules {
			rule := &r.QoS.Rules[i]
			switch {
			case r.QoS.Blind != "":
				show(1, rule.Name, string(r.QoS.Blind))
			case !rule.Value.OK():
				show(1, rule.Name, rule.Value.Why.String())
			}
		}
	}},
	ofRules("rule_threshold", "Threshold of a policy rule, in the rule's own unit.",
		func(r *qos.RuleState) (float64, bool) { return r.Above, true }),
	ofRules("rule_clear", "Level below which a policy rule has cleared, in the rule's own unit.",
		func(r *qos.RuleState) (float64, bool) { return r.Clear, true }),
	ofRules("rule_exceeded", "1 while a policy rule's reading is above its threshold.",
		func(r *qos.RuleState) (float64, bool) { return boolean(r.Exceeded), true }),
	ofRules("rule_active", "1 from when a policy rule was exceeded for its time until it has cleared.",
		func(r *qos.RuleState) (float64, bool) { return boolean(r.Active), true }),

	{name: "signals_active", help: "1 while this node gives a reading of the signal, 0 while it is unknown.", labels: []string{"signal"}, read: func(r *decision.Record, show show) {
		for _, s := range r.QoS.Signals {
			show(boolean(s.Value.OK()), string(s.Signal))
		}
	}},
	{name: "signal", help: "Reading of a signal in its own unit; absent while it is unknown.", labels: []string{"signal"}, read: func(r *decision.Record, show show) {
		for _, s := range r.QoS.Signals {
			if s.Value.OK() {
				show(s.Value.V, string(s.Signal))
			}
		}
	}},
	{name: "ladder_rung", help: "1 for the rung on which a resource's ladder stands, 0 for the others.", labels: rungLabels, read: func(r *decision.Record, show show) {
		showRungs(r.QoS.Ladders, show)
	}},
	ofDecision("throttled_containers", "Revocable containers that are to be throttled.",
		func(d *qos.Decision) float64 { return float64(len(d.Actions.Throttles)) }),
	ofDecision("frozen_containers", "Revocable containers that are to be frozen.",
		func(d *qos.Decision) float64 { return float64(len(d.Actions.Freezes)) }),
	ofDecision("offer_stopped", "1 while the ladder or the kill budget has stopped the offer.",
		func(d *qos.Decision) float64 { return boolean(d.StopOffering) }),
	ofDecision("kill_budget_left", "Kills left in the budget.",
		func(d *qos.Decision) float64 { return float64(d.Budget.Left) }),
	ofDecision("kill_breaker_open", "1 while the kill budget is spent: nothing is killed and nothing offered.",
		func(d *qos.Decision) float64 { return boolean(d.Budget.Open()) }),

	ofShadow("would_have_throttled_containers", "Revocable containers that rules in shadow mode would throttle.",
		func(d *qos.ShadowDecision) float64 { return float64(len(d.Actions.Throttles)) }),
	ofShadow("would_have_frozen_containers", "Revocable containers that rules in shadow mode would freeze.",
		func(d *qos.ShadowDecision) float64 { return float64(len(d.Actions.Freezes)) }),
	ofShadow("would_have_stopped_offer", "1 while rules in shadow mode would stop the offer.",
		func(d *qos.ShadowDecision) float64 { return boolean(d.StopOffering) }),
	ofShadow("would_have_deducted_containers", "Running containers that rules in shadow mode would have killed, and therefore do not see.",
		func(d *qos.ShadowDecision) float64 { return float64(d.Deducted) }),
	{name: "would_have_ladder_rung", help: "1 for the rung on which a resource's ladder would stand by the rules in shadow mode, 0 for the others.", labels: rungLabels, read: func(r *decision.Record, show show) {
		if r.QoS.Shadow != nil {
			showRungs(r.QoS.Shadow.Ladders, show)
		}
	}},
}

var rungLabels = []string{"resource", "rung"}

func showRungs(ladders []qos.LadderState, show show) {
	for _, s := range ladders {
		for rung := policy.None; rung <= policy.Kill; rung++ {
			show(boolean(s.Rung == rung), s.Resource.String(), rung.String())
		}
	}
}

// ofDecision shows a number of what is decided by a policy.
func ofDecision(name, help string, get func(*qos.Decision) float64) recordFamily {
	return recordFamily{name: name, help: help, read: func(r *decision.Record, show show) {
		if len(r.QoS.Ladders) > 0 { // there is a policy
			show(get(&r.QoS))
		}
	}}
}

func ofShadow(name, help string, get func(*qos.ShadowDecision) float64) recordFamily {
	return recordFamily{name: name, help: help, read: func(r *decision.Record, show show) {
		if r.QoS.Shadow != nil {
			show(get(r.QoS.Shadow))
		}
	}}
}

func ofRules(name, help string, get func(*qos.RuleState) (float64, bool)) recordFamily {
	return recordFamily{name: name, help: help, labels: []string{"rule"}, read: func(r *decision.Record, show show) {
		for i := range r.QoS.Rules {
			if v, ok := get(&r.QoS.Rules[i]); ok {
				show(v, r.QoS.Rules[i].Name)
			}
		}
	}}
}

func ofScores(name, help string, get func(*estimator.PredictorScore) float64) recordFamily {
	return recordFamily{name: name, help: help, labels: []string{"resource", "predictor"}, read: func(r *decision.Record, show show) {
		for i := range r.Offer.Scores {
			s := &r.Offer.Scores[i]
			show(get(s), s.Resource, s.Predictor)
		}
	}}
}

// units are the Prometheus base units of resources. A quantity is one metric in
// each of them, since a metric has one unit.
var units = []string{"cores", "bytes", "units"}

// unitOf is the unit of a Mesos resource, and what one of Mesos's is in that.
func unitOf(resource string) (unit string, scale float64) {
	switch resource {
	case resources.CPUs:
		return "cores", 1
	case resources.Mem, "disk":
		return "bytes", resources.MemUnitBytes
	}
	return "units", 1 // gpus, and whatever else an operator offers in mode fixed
}

// amountFamilies are the terms of the offer in the order of the formula, and
// what else has the unit of a resource.
func amountFamilies() (all []recordFamily) {
	for _, unit := range units {
		for _, a := range amounts {
			all = append(all, recordFamily{name: a.name + "_" + unit, help: a.help, labels: []string{"resource"}, read: func(r *decision.Record, show show) {
				for i := range r.Offer.Resources {
					o := withEstimate(&r.Offer, i)
					of, scale := unitOf(o.Resource)
					if v, ok := a.get(&o); ok && of == unit {
						show(v.Float()*scale, o.Resource)
					}
				}
			}})
		}
		all = append(all, recordFamily{name: "would_offer_" + unit, help: "What mode usage would offer, shown in modes noop and fixed.", labels: []string{"resource"}, read: func(r *decision.Record, show show) {
			for i := range r.Offer.Would {
				o := &r.Offer.Would[i]
				if of, scale := unitOf(o.Resource); of == unit {
					show(o.Offered.Float()*scale, o.Resource)
				}
			}
		}})
		for _, s := range scored {
			all = append(all, recordFamily{name: s.name + "_" + unit + "_total", help: s.help, labels: []string{"resource", "predictor"}, read: func(r *decision.Record, show show) {
				for i := range r.Offer.Scores {
					g := &r.Offer.Scores[i]
					if of, scale := unitOf(g.Resource); of == unit {
						show(s.get(g)*scale, g.Resource, g.Predictor)
					}
				}
			}})
		}
	}
	all = append(all, roleFamily("cores", resources.CPUs), roleFamily("bytes", resources.Mem))
	return append(all, limitFamily("cores", policy.CPU, resources.CPUs), limitFamily("bytes", policy.Memory, resources.Mem))
}

// withEstimate is one resource of the offer. In modes that estimate nothing it
// comes with the estimate of what mode usage would offer.
func withEstimate(offer *estimator.Offer, i int) estimator.ResourceOffer {
	o := offer.Resources[i]
	for k := range offer.Would {
		if w := &offer.Would[k]; o.Estimate == nil && w.Resource == o.Resource {
			o.Estimate = w.Estimate
		}
	}
	return o
}

// maxRoles is how many roles have a series of their own; those with least slack are
// one more, which no role can be named like.
const (
	maxRoles   = 20
	otherRoles = "(other)"
)

func roleFamily(unit, name string) recordFamily {
	return recordFamily{
		name: "allocation_slack_" + unit, labels: []string{"role"},
		help: "Reserved to a role, not allocated and not kept for it; (other) is the sum of those beyond the 20 with most.",
		read: func(r *decision.Record, show show) {
			for i := range r.Offer.Resources {
				if o := &r.Offer.Resources[i]; o.Allocation != nil && o.Resource == name {
					showRoles(o, show)
				}
			}
		},
	}
}

func showRoles(o *estimator.ResourceOffer, show show) {
	_, scale := unitOf(o.Resource)
	roles := slices.Clone(o.Allocation.Roles)
	slices.SortStableFunc(roles, func(a, b estimator.RoleSlack) int { return cmp.Compare(b.Slack, a.Slack) })
	var rest resources.Milli
	for i := range roles {
		if i < maxRoles {
			show(roles[i].Slack.Float()*scale, roles[i].Role)
		} else {
			rest = rest.Plus(roles[i].Slack)
		}
	}
	if len(roles) > maxRoles {
		show(rest.Float()*scale, otherRoles)
	}
}

func limitFamily(unit string, of policy.Resource, name string) recordFamily {
	return recordFamily{name: "throttle_limit_" + unit, help: "What all throttled containers may use together; absent while none is.", labels: []string{"resource"}, read: func(r *decision.Record, show show) {
		for _, s := range r.QoS.Ladders {
			if s.Resource == of && s.Limit > 0 {
				show(s.Limit, name)
			}
		}
	}}
}

var amounts = []struct {
	name, help string
	get        func(*estimator.ResourceOffer) (v resources.Milli, ok bool)
}{
	{"regular_allocated", "Allocated to regular containers.", reported(func(a *estimator.Allocated) resources.Milli { return a.RegularAllocated })},
	{"regular_usage", "Used by regular containers; an unknown use counts as the allocation.", estimated(func(e *estimator.Estimate) resources.Milli { return e.Usage })},
	{"regular_predicted_peak", "Predicted peak of what regular containers will use.", estimated(func(e *estimator.Estimate) resources.Milli { return e.Peak })},
	{"margin", "Kept back on top of the predicted peak.", estimated(func(e *estimator.Estimate) resources.Milli { return e.Margin })},
	{"unmanaged_usage", "Used outside the agent's containers beyond what the agent leaves to the node.", estimated(func(e *estimator.Estimate) resources.Milli { return e.Unmanaged })},
	{"slack", "Allocated to regular containers and not needed by them: allocated - peak - margin - unmanaged.", estimated(func(e *estimator.Estimate) resources.Milli { return e.Slack })},
	{"cap", "The operator's limit on what may be revocable; absent without one.", func(o *estimator.ResourceOffer) (v resources.Milli, ok bool) {
		if o.Cap != nil {
			v = *o.Cap
		}
		return v, o.Cap != nil
	}},
	{"allocation_revocable_total", "Reserved, not allocated, and offered, after its governor: a part of the revocable total.", reserved(func(a *estimator.AllocationOffer) resources.Milli { return a.Total })},
	{"revocable_total", "All that may be revocable, after the governor.", func(o *estimator.ResourceOffer) (resources.Milli, bool) { return o.RevocableTotal, true }},
	{"revocable_allocated", "Allocated as revocable.", reported(func(a *estimator.Allocated) resources.Milli { return a.RevocableAllocated })},
	{"offered", "Offered to the agent on top of what is allocated as revocable: revocable total - revocable allocated.", func(o *estimator.ResourceOffer) (resources.Milli, bool) { return o.Offered, true }},
}

// reserved is an amount that is absent where no allocation slack is offered.
func reserved(get func(*estimator.AllocationOffer) resources.Milli) func(*estimator.ResourceOffer) (resources.Milli, bool) {
	return func(o *estimator.ResourceOffer) (v resources.Milli, ok bool) {
		if o.Allocation != nil {
			v = get(o.Allocation)
		}
		return v, o.Allocation != nil
	}
}

// reported is an amount that is absent before the agent's first report.
func reported(get func(*estimator.Allocated) resources.Milli) func(*estimator.ResourceOffer) (resources.Milli, bool) {
	return func(o *estimator.ResourceOffer) (v resources.Milli, ok bool) {
		if o.Allocated != nil {
			v = get(o.Allocated)
		}
		return v, o.Allocated != nil
	}
}

// estimated is an amount that is absent when nothing was estimated.
func estimated(get func(*estimator.Estimate) resources.Milli) func(*estimator.ResourceOffer) (resources.Milli, bool) {
	return func(o *estimator.ResourceOffer) (v resources.Milli, ok bool) {
		if o.Estimate != nil {
			v = get(o.Estimate)
		}
		return v, o.Estimate != nil
	}
}

// scored are sums over the predictions that were scored.
var scored = []struct {
	name, help string
	get        func(*estimator.PredictorScore) float64
}{
	{"prediction_allocated", "Allocated to regular containers, summed over the predictions that were scored.", func(s *estimator.PredictorScore) float64 { return s.Allocated }},
	{"prediction_slack", "Slack by the predictions that were scored, summed: divided by the allocated sum, the savings.", func(s *estimator.PredictorScore) float64 { return s.Slack }},
}
