package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// on is the node that the reader has chosen, as a matcher.
const on = `instance="$instance"`

// node is about one node: is all well, what is offered and why, what was taken back.
func node() *dashboard.DashboardBuilder {
	d := newDashboard(nodeUID, "estimatord node", "What one estimatord offers and why, what it takes back, and what it costs.").
		WithVariable(choice("instance", "Node", `label_values(estimatord_build_info{job="$job"}, instance)`)).
		Annotation(dashboard.NewAnnotationQueryBuilder().Name("Kills").Datasource(source()).Enable(true).IconColor(bad).
			Expr(`sum by (rule) (increase(estimatord_qos_kills_total{` + on + `}[$__interval])) > 0`).
			TitleFormat("kill").TextFormat("rule {{rule}}").Step("60s"))
	wellness(d)
	capacity(d, "CPU", "cores", "cpus", unitCores, "estimatord_container_cpu_cores")
	capacity(d, "Memory", "bytes", "mem", unitBytes, "estimatord_container_memory_usage_bytes")
	takingBack(d)
	predictions(d)
	daemon(d)
	return d
}

func wellness(d *dashboard.DashboardBuilder) {
	d.WithRow(row("Is all well?")).
		WithPanel(state("Daemon", "Whether Prometheus reaches it.", `up{job="$job", `+on+`}`, "down", "up", 0)).
		WithPanel(state("Agent", "Whether the agent has an open connection to it.", `estimatord_agent_connected{`+on+`}`, "not connected", "connected", 0)).
		WithPanel(state("Paused", "By an operator: nothing is offered and nothing taken.", `estimatord_paused{`+on+`}`, "no", "PAUSED", 1)).
		WithPanel(state("Kill budget", "Spent: nothing is killed and nothing offered. No value without a policy.", `estimatord_kill_breaker_open{`+on+`}`, "left", "SPENT", 1)).
		WithPanel(number("Kills, 24 h", unitNone, "Revocable containers that were decided to be killed.", `sum(increase(estimatord_qos_kills_total{`+on+`}[24h]))`)).
		WithPanel(number("Learning", unitSeconds, "For how long yet; 0: no longer.", `max(estimatord_learning_seconds{`+on+`})`)).
		WithPanel(number("Offered CPUs", unitNone, "What the agent may still allocate as revocable.", `estimatord_offered_cores{`+on+`, resource="cpus"}`)).
		WithPanel(number("Offered memory", unitBytes, "What the agent may still allocate as revocable.", `estimatord_offered_bytes{`+on+`, resource="mem"}`)).
		WithPanel(list("Nothing may be revocable, because", "By resource; docs/reference/reasons.md has the reasons. Empty while something is offered.",
			column{expr: `estimatord_not_offering{` + on + `}`})).
		WithPanel(list("Rules that are blind, because", "A rule without a reading does nothing. Empty when all have one.",
			column{expr: `estimatord_rule_blind{` + on + `}`}))
}

// capacity is where one resource goes; used is the metric of one container's use.
func capacity(d *dashboard.DashboardBuilder, title, suffix, resource, unit, used string) {
	of := func(quantity string) string {
		return "estimatord_" + quantity + "_" + suffix + "{" + on + `, resource="` + resource + `"}`
	}
	d.WithRow(row(title)).
		WithPanel(graph("Use and offer", unit, "Areas: what is used and what is offered on top. Lines: what regular containers are allocated and predicted to need. "+
			"The use of revocable containers is from /metrics/containers.",
			line{of("regular_usage"), "regular used", true, regularColor},
			line{`sum(` + used + `{` + on + `, class="revocable", parent=""})`, "revocable used", true, revocableColor},
			line{of("offered"), "offered", true, offeredColor},
			line{expr: of("regular_allocated"), legend: "regular allocated", color: "purple"},
			line{expr: of("regular_predicted_peak"), legend: "predicted peak", color: bad})).
		WithPanel(graph("Terms of the offer", unit, "Slack is what regular containers are allocated less predicted peak, margin and unmanaged use; "+
			"the governor makes the revocable total of it, and what is not allocated of that is offered.",
			line{expr: of("slack"), legend: "slack"},
			line{expr: of("cap"), legend: "cap"},
			line{expr: of("margin"), legend: "margin"},
			line{expr: of("unmanaged_usage"), legend: "unmanaged"},
			line{expr: of("revocable_total"), legend: "revocable total"},
			line{expr: of("revocable_allocated"), legend: "revocable allocated", color: revocableColor},
			line{expr: of("offered"), legend: "offered", color: offeredColor}))
}

func takingBack(d *dashboard.DashboardBuilder) {
	d.WithRow(row("Taking back")).
		WithPanel(graph("Rules: reading in parts of the threshold", unitRatio, "From 100 % on a rule is exceeded.",
			line{expr: `estimatord_rule_signal{` + on + `} / (estimatord_rule_threshold{` + on + `} > 0)`, legend: "{{rule}}"})).
		WithPanel(timeline("Active rules and ladders", "When a rule was active, and on which rung each resource stood.",
			line{expr: `estimatord_rule_active{` + on + `}`, legend: "rule {{rule}}"},
			line{expr: `estimatord_ladder_rung{` + on + `, rung!="none"}`, legend: "{{resource}}: {{rung}}"})).
		WithPanel(graph("Containers", unitNone, "How many revocable containers something is done to. In shadow: what rules in shadow mode would do.",
			line{expr: `estimatord_containers{` + on + `, class="revocable"}`, legend: "revocable"},
			line{expr: `estimatord_throttled_containers{` + on + `}`, legend: "throttled"},
			line{expr: `estimatord_frozen_containers{` + on + `}`, legend: "frozen"},
			line{expr: `estimatord_kills_in_flight{` + on + `}`, legend: "kills in flight"},
			line{expr: `estimatord_would_have_throttled_containers{` + on + `}`, legend: "in shadow: throttled"})).
		WithPanel(graph("Kills in an hour", unitNone, "By rule, and what is left of the budget. In shadow: what rules in shadow mode would have killed.",
			line{expr: `increase(estimatord_qos_kills_total{` + on + `}[1h])`, legend: "{{rule}}"},
			line{expr: `increase(estimatord_would_have_killed_total{` + on + `}[1h])`, legend: "in shadow: {{rule}}"},
			line{expr: `estimatord_kill_budget_left{` + on + `}`, legend: "left in the budget", color: good})).
		WithPanel(graph("What became of kills, in an hour", unitNone, "Ignored: handed over twice, and the container is still there. Expired: no agent asked in time.",
			line{expr: `increase(estimatord_kill_events_total{` + on + `}[1h])`, legend: "{{event}}"})).
		WithPanel(graph("Control files, in an hour", unitNone, "What was written to the cgroups of revocable containers. Overwritten: somebody else did.",
			line{expr: `increase(estimatord_throttle_files_total{` + on + `}[1h])`, legend: "{{event}}"}))
}

func predictions(d *dashboard.DashboardBuilder) {
	d.WithRow(row("Predictions")).
		WithPanel(graph("Violations in a day", unitRatio, "Share of the predictions that demand rose above, by predictor, and the share that was declared for the one in use.",
			line{expr: `instance_resource_predictor:estimatord_prediction_violations:ratio_increase1d{` + on + `}`, legend: "{{resource}} {{predictor}}"},
			line{expr: `estimatord_target_violation_ratio{` + on + `}`, legend: "{{resource}} declared", color: bad})).
		WithPanel(graph("Savings in a day", unitRatio, "Slack by the predictions, as a share of what regular containers are allocated.",
			line{expr: `increase(estimatord_prediction_slack_cores_total{` + on + `}[1d]) / (increase(estimatord_prediction_allocated_cores_total{` + on + `}[1d]) > 0)`, legend: "{{resource}} {{predictor}}"},
			line{expr: `increase(estimatord_prediction_slack_bytes_total{` + on + `}[1d]) / (increase(estimatord_prediction_allocated_bytes_total{` + on + `}[1d]) > 0)`, legend: "{{resource}} {{predictor}}"}))
}

func daemon(d *dashboard.DashboardBuilder) {
	d.WithRow(row("The daemon itself")).
		WithPanel(graph("CPU", unitRatio, "Of one core: the whole daemon, its sampling, and what sampling may cost.",
			line{expr: `instance:estimatord_cpu_cores:rate5m{` + on + `}`, legend: "daemon"},
			line{expr: `estimatord_sample_cpu_ratio{` + on + `}`, legend: "sampling"},
			line{expr: `estimatord_sample_cpu_budget_ratio{` + on + `}`, legend: "budget of sampling", color: bad})).
		WithPanel(graph("Memory", unitBytes, "Resident memory of the process.",
			line{expr: `process_resident_memory_bytes{job="$job", ` + on + `}`, legend: "resident"})).
		WithPanel(graph("Duration of a tick", unitSeconds, "From the first read to the decision.",
			line{expr: `histogram_quantile(0.5, rate(estimatord_tick_duration_seconds_bucket{` + on + `}[$__rate_interval]))`, legend: "median"},
			line{expr: `histogram_quantile(0.99, rate(estimatord_tick_duration_seconds_bucket{` + on + `}[$__rate_interval]))`, legend: "99 %"},
			line{expr: `estimatord_sample_duration_seconds{` + on + `}`, legend: "last sample"})).
		WithPanel(graph("Absent readings", unitNone, "In the last sample, by reason. Some are normal: a container without a quota has no throttled time.",
			line{expr: `estimatord_readings_absent{` + on + `} > 0`, legend: "{{reason}}"})).
		WithPanel(graph("Calls of the agent", "reqps", "By method and code.",
			line{expr: `rate(estimatord_agent_rpcs_total{` + on + `}[$__rate_interval])`, legend: "{{method}} {{code}}"})).
		WithPanel(graph("Age of the agent's report", unitSeconds, "Nothing is offered when it is too old (usage_stale_after).",
			line{expr: `estimatord_agent_usage_age_seconds{` + on + `}`, legend: "age"})).
		WithPanel(timeline("Disk and policy", "Yes: the log or the recording cannot be written, or the policy file has a fault.",
			line{expr: `1 - estimatord_decisions_working{` + on + `}`, legend: "decision log"},
			line{expr: `1 - estimatord_recording_working{` + on + `}`, legend: "recording"},
			line{expr: `1 - estimatord_throttle_journal_ok{` + on + `}`, legend: "throttle journal"},
			line{expr: `1 - estimatord_policy_last_reload_successful{` + on + `}`, legend: "policy file"})).
		WithPanel(list("Build and policy", "What runs, by which policy.",
			column{expr: `sum by (instance, version, revision, goversion) (estimatord_build_info{` + on + `})`},
			column{expr: `sum by (instance, hash) (estimatord_policy_info{` + on + `})`}))
}
