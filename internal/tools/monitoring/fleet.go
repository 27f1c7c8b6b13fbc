package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// of is the fleet that the reader has chosen, as a matcher.
const of = `job="$job"`

// fleet is about all nodes of a job: what they offer together, and which of them
// need somebody.
func fleet() *dashboard.DashboardBuilder {
	d := newDashboard(fleetUID, "estimatord fleet", "What all nodes offer together, and which of them need a look.")
	d.WithRow(row("Is all well?")).
		WithPanel(number("Nodes up", unitNone, "That Prometheus reaches.", `sum(up{`+of+`})`)).
		WithPanel(trouble("Nodes down", "That Prometheus does not reach.", `count(up{`+of+`} == 0) or vector(0)`)).
		WithPanel(trouble("Agent silent", "Nodes whose agent is not connected.", `count(estimatord_agent_connected{`+of+`} == 0) or vector(0)`)).
		WithPanel(trouble("Paused", "Nodes that an operator has paused.", `sum(estimatord_paused{`+of+`})`)).
		WithPanel(trouble("Budget spent", "Nodes on which nothing is killed or offered any more.", `count(estimatord_kill_breaker_open{`+of+`} == 1) or vector(0)`)).
		WithPanel(number("Kills, 24 h", unitNone, "Revocable containers that were decided to be killed.", `sum(increase(estimatord_qos_kills_total{`+of+`}[24h])) or vector(0)`)).
		WithPanel(number("Offered", unitCores, "Of all nodes together.", `job:estimatord_offered_cores:sum{`+of+`}`)).
		WithPanel(number("Used as revocable", unitRatio, "Share of what may be revocable that is allocated.",
			`job:estimatord_revocable_allocated_cores:sum{`+of+`} / sum by (job) (estimatord_revocable_total_cores{`+of+`})`))

	d.WithRow(row("Capacity")).
		WithPanel(graph("CPU", unitCores, "Areas: what is allocated, and what is offered on top of that.",
			line{`job:estimatord_regular_allocated_cores:sum{` + of + `}`, "regular allocated", true, regularColor},
			line{`job:estimatord_revocable_allocated_cores:sum{` + of + `}`, "revocable allocated", true, revocableColor},
			line{`job:estimatord_offered_cores:sum{` + of + `}`, "offered", true, offeredColor},
			line{expr: `sum(estimatord_regular_usage_cores{` + of + `})`, legend: "regular used", color: "purple"})).
		WithPanel(graph("Memory", unitBytes, "Areas: what is allocated, and what is offered on top of that.",
			line{`sum(estimatord_regular_allocated_bytes{` + of + `, resource="mem"})`, "regular allocated", true, regularColor},
			line{`sum(estimatord_revocable_allocated_bytes{` + of + `, resource="mem"})`, "revocable allocated", true, revocableColor},
			line{`sum(estimatord_offered_bytes{` + of + `, resource="mem"})`, "offered", true, offeredColor},
			line{expr: `sum(estimatord_regular_usage_bytes{` + of + `, resource="mem"})`, legend: "regular used", color: "purple"})).
		WithPanel(graph("Nodes on which nothing may be revocable", unitNone, "By resource and reason (docs/reference/reasons.md).",
			line{expr: `count by (resource, reason) (estimatord_not_offering{` + of + `})`, legend: "{{resource}}: {{reason}}"})).
		WithPanel(graph("Cuts of the offer in 30 minutes", unitNone, "Each change rescinds the offers of a node. Median, and the most of any node.",
			line{expr: `quantile by (resource) (0.5, instance_resource:estimatord_revocable_total:resets30m{` + of + `})`, legend: "{{resource}} median"},
			line{expr: `max by (resource) (instance_resource:estimatord_revocable_total:resets30m{` + of + `})`, legend: "{{resource}} most"}))

	d.WithRow(row("Taking back")).
		WithPanel(graph("Kills in an hour", unitNone, "By rule. In shadow: what rules in shadow mode would have killed.",
			line{expr: `sum by (rule) (increase(estimatord_qos_kills_total{` + of + `}[1h]))`, legend: "{{rule}}"},
			line{expr: `sum by (rule) (increase(estimatord_would_have_killed_total{` + of + `}[1h]))`, legend: "in shadow: {{rule}}"})).
		WithPanel(graph("Nodes by rung", unitNone, "On how many nodes the ladder of a resource stands on a rung.",
			line{expr: `sum by (resource, rung) (estimatord_ladder_rung{` + of + `, rung!="none"})`, legend: "{{resource}}: {{rung}}"}))

	d.WithRow(row("Predictions and cost")).
		WithPanel(graph("Violations in a day", unitRatio, "Share of the predictions that demand rose above: the mean of the nodes for each predictor, and the highest share that is declared.",
			line{expr: `avg by (resource, predictor) (instance_resource_predictor:estimatord_prediction_violations:ratio_increase1d{` + of + `})`, legend: "{{resource}} {{predictor}}"},
			line{expr: `max by (resource) (estimatord_target_violation_ratio{` + of + `})`, legend: "{{resource}} declared", color: bad})).
		WithPanel(graph("CPU of the daemon", unitRatio, "Of one core: median, and the most of any node.",
			line{expr: `quantile(0.5, instance:estimatord_cpu_cores:rate5m{` + of + `})`, legend: "median"},
			line{expr: `max(instance:estimatord_cpu_cores:rate5m{` + of + `})`, legend: "most"}))

	d.WithRow(row("Nodes")).
		WithPanel(nodes()).
		WithPanel(list("Builds", "How many nodes run which.", column{"nodes", unitNone, `count by (version, revision) (estimatord_build_info{` + of + `})`})).
		WithPanel(list("Policies", "On how many nodes which is in force, by its hash.", column{"nodes", unitNone, `count by (hash) (estimatord_policy_info{` + of + `})`}))
	return d
}

// trouble is how many nodes have it: none is good.
func trouble(title, description, expr string) cog.Builder[dashboard.Panel] {
	return number(title, unitNone, description, expr).Thresholds(steps(good, 1, bad))
}

// nodes leads from the fleet to each node.
func nodes() cog.Builder[dashboard.Panel] {
	by := func(expr string) string { return "sum by (instance) (" + expr + ")" }
	return list("Nodes", "What each of them offers, did and costs. The name leads to its dashboard.",
		column{"regular allocated", unitCores, by(`estimatord_regular_allocated_cores{` + of + `}`)},
		column{"revocable allocated", unitCores, by(`estimatord_revocable_allocated_cores{` + of + `}`)},
		column{"offered", unitCores, by(`estimatord_offered_cores{` + of + `}`)},
		column{"kills, 24 h", unitNone, by(`increase(estimatord_qos_kills_total{` + of + `}[24h])`)},
		column{"breaker open", unitNone, by(`estimatord_kill_breaker_open{` + of + `}`)},
		column{"paused", unitNone, by(`estimatord_paused{` + of + `}`)},
		column{"daemon's CPU", unitRatio, by(`instance:estimatord_cpu_cores:rate5m{` + of + `}`)},
	).Span(24).Height(10).OverrideByName("instance", []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{{
		"title": "dashboard of this node",
		"url":   "/d/" + nodeUID + "?var-datasource=${datasource}&var-job=${job}&var-instance=${__value.raw}&${__url_time_range}",
	}}}})
}
