package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/signal"
)

// victim makes a Victim the only way there is.
func victim(t *testing.T, rule string) qos.Victim {
	t.Helper()
	e := &snapshot.Executor{
		ContainerID: "c-be", FrameworkID: "f", ExecutorID: "e",
		Revocable: resources.Quantities{{Name: resources.CPUs, Amount: 1000}}, Class: snapshot.ClassRevocable,
	}
	v, err := qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: "c-be", Inode: 7}, Executor: e}, qos.Cause{Rule: rule})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func record(t *testing.T) *decision.Record {
	limit := resources.Milli(1800)
	return &decision.Record{
		Seq: 3, At: time.Unix(1700000000, 500_000_000), Agent: "agent-1", UsageAgeSeconds: 2.5,
		TookSeconds: 0.002,
		Containers:  decision.ContainerCounts{Regular: 2, Revocable: 1, UnknownToAgent: 3},
		InFlight:    1,
		Offer: estimator.Offer{Scores: []estimator.PredictorScore{
			{Resource: "cpus", Predictor: "tce", Score: predict.Score{Predictions: 400, Violations: 3, Slack: 900, Allocated: 1200}},
			{Resource: "mem", Predictor: "latest", Score: predict.Score{Predictions: 1, Violations: 1, Slack: 2, Allocated: 4}},
		}, Resources: []estimator.ResourceOffer{
			{
				Resource: "cpus", Allocated: &estimator.Allocated{RegularAllocated: 4000, RevocableAllocated: 1000},
				Estimate: &estimator.Estimate{Usage: 1250, Peak: 1500, Margin: 400, Unmanaged: 100, Slack: 2000},
				Cap:      &limit, Target: 1800, RevocableTotal: 1800, Offered: 800, Why: reason.Cap,
			},
			{
				Resource: "mem", Allocated: &estimator.Allocated{RegularAllocated: 2_000_000}, Estimate: &estimator.Estimate{Slack: 512_000},
				RevocableTotal: 512_000, Offered: 512_000, Why: reason.Slack,
			},
		}},
		QoS: qos.Decision{
			Why: reason.Preempt,
			Rules: []qos.RuleState{
				{Name: "busy", Reading: signal.Reading{Value: snapshot.ValueOf(0.97)}, Above: 0.95, Exceeded: true},
				{Name: "load", Reading: signal.Reading{Value: snapshot.Value{Why: snapshot.NoFile}}, Above: 4},
			},
			Kills: []qos.Victim{victim(t, "busy")},
		},
	}
}

func TestMetricsShowTheLastRecord(t *testing.T) {
	r := record(t)
	ticks := NewTicks()
	registry := NewRegistry(Build{Version: "v1", Revision: "abc", GoVersion: "go"}, ticks, NewRecord(func() *decision.Record { return r }))
	ticks.Observe(r, nil)
	ticks.Observe(r, nil)

	const want = `
# HELP estimatord_agent_reported 1 once an agent has reported its usage, 0 before.
# TYPE estimatord_agent_reported gauge
estimatord_agent_reported 1
# HELP estimatord_agent_usage_age_seconds Age of the agent's last usage report at the last tick.
# TYPE estimatord_agent_usage_age_seconds gauge
estimatord_agent_usage_age_seconds 2.5
# HELP estimatord_build_info Always 1; the labels say which build runs.
# TYPE estimatord_build_info gauge
estimatord_build_info{goversion="go",revision="abc",version="v1"} 1
# HELP estimatord_cap_cores The operator's limit on what may be revocable; absent without one.
# TYPE estimatord_cap_cores gauge
estimatord_cap_cores{resource="cpus"} 1.8
# HELP estimatord_containers Top-level containers by class: regular, revocable, shared (revocable, but runs a regular task too), unknown_to_agent.
# TYPE estimatord_containers gauge
estimatord_containers{class="regular"} 2
estimatord_containers{class="revocable"} 1
estimatord_containers{class="shared"} 0
estimatord_containers{class="unknown_to_agent"} 3
# HELP estimatord_last_tick_timestamp_seconds When the last tick was done, in seconds since 1970.
# TYPE estimatord_last_tick_timestamp_seconds gauge
estimatord_last_tick_timestamp_seconds 1.7000000005e+09
# HELP estimatord_offer_decisions_total Ticks by what decided the offer of a resource.
# TYPE estimatord_offer_decisions_total counter
estimatord_offer_decisions_total{reason="cap",resource="cpus"} 2
estimatord_offer_decisions_total{reason="slack",resource="mem"} 2
# HELP estimatord_offered_bytes Offered to the agent on top of what is allocated as revocable: revocable total - revocable allocated.
# TYPE estimatord_offered_bytes gauge
estimatord_offered_bytes{resource="mem"} 5.36870912e+08
# HELP estimatord_offered_cores Offered to the agent on top of what is allocated as revocable: revocable total - revocable allocated.
# TYPE estimatord_offered_cores gauge
estimatord_offered_cores{resource="cpus"} 0.8
# HELP estimatord_prediction_slack_bytes_total Slack by the predictions that were scored, summed: divided by the allocated sum, the savings.
# TYPE estimatord_prediction_slack_bytes_total counter
estimatord_prediction_slack_bytes_total{predictor="latest",resource="mem"} 2.097152e+06
# HELP estimatord_prediction_slack_cores_total Slack by the predictions that were scored, summed: divided by the allocated sum, the savings.
# TYPE estimatord_prediction_slack_cores_total counter
estimatord_prediction_slack_cores_total{predictor="tce",resource="cpus"} 900
# HELP estimatord_prediction_violations_total Those that demand rose above: divided by estimatord_predictions_total, the violation rate.
# TYPE estimatord_prediction_violations_total counter
estimatord_prediction_violations_total{predictor="latest",resource="mem"} 1
estimatord_prediction_violations_total{predictor="tce",resource="cpus"} 3
# HELP estimatord_qos_kills_total Revocable containers that were decided to be killed, by rule.
# TYPE estimatord_qos_kills_total counter
estimatord_qos_kills_total{rule="busy"} 2
# HELP estimatord_regular_usage_bytes Used by regular containers; an unknown use counts as the allocation.
# TYPE estimatord_regular_usage_bytes gauge
estimatord_regular_usage_bytes{resource="mem"} 0
# HELP estimatord_regular_usage_cores Used by regular containers; an unknown use counts as the allocation.
# TYPE estimatord_regular_usage_cores gauge
estimatord_regular_usage_cores{resource="cpus"} 1.25
# HELP estimatord_rule_signal Reading of a policy rule, in the rule's own unit; absent while it is unknown.
# TYPE estimatord_rule_signal gauge
estimatord_rule_signal{rule="busy"} 0.97
# HELP estimatord_ticks_total Ticks done: one sample, one estimate, one decision each.
# TYPE estimatord_ticks_total counter
estimatord_ticks_total 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), metricNames(want)...); err != nil {
		t.Error(err)
	}
}

// GatherAndLint runs the checks of `promtool check metrics`.
func TestMetricsFollowPrometheusConventions(t *testing.T) {
	r := record(t)
	ticks := NewTicks()
	registry := NewRegistry(Build{}, ticks, NewRecord(func() *decision.Record { return r }))
	ticks.Observe(r, nil)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsBeforeTheFirstTick(t *testing.T) {
	registry := NewRegistry(Build{}, NewRecord(func() *decision.Record { return nil }))
	got, err := testutil.GatherAndCount(registry, "estimatord_offered_cores", "estimatord_agent_reported", "estimatord_last_tick_timestamp_seconds")
	if err != nil || got != 0 {
		t.Errorf("%d series of a tick that never was, err %v; want 0, nil", got, err)
	}
}

func BenchmarkScrape(b *testing.B) {
	r := &decision.Record{Offer: estimator.Offer{Resources: make([]estimator.ResourceOffer, 2)}}
	r.Offer.Resources[0].Resource, r.Offer.Resources[1].Resource = "cpus", "mem"
	registry := NewRegistry(Build{}, NewTicks(), NewRecord(func() *decision.Record { return r }))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
