package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

func ladderRecord(t *testing.T) *decision.Record {
	v := victim(t, "busy")
	return &decision.Record{QoS: qos.Decision{
		Why: reason.Throttled, Acted: true, StopOffering: true,
		Rules:   []qos.RuleState{{Name: "busy", Reading: signal.Reading{Value: snapshot.ValueOf(0.97)}, Above: 0.95, Clear: 0.9, Active: true}},
		Signals: []signal.Named{{Signal: "node_cpu", Reading: signal.Reading{Value: snapshot.ValueOf(0.97)}}, {Signal: "load5", Reading: signal.Reading{Value: snapshot.Value{Why: snapshot.NoFile}}}},
		Ladders: []qos.LadderState{{Resource: policy.CPU, Rung: policy.Throttle, Limit: 1.5}, {Resource: policy.Memory}},
		Actions: qos.Actions{Throttles: []qos.Throttle{{Victim: v, Cores: 1.5}}},
		Budget:  qos.BudgetState{Left: 7, Used: 3},
		Shadow: &qos.ShadowDecision{
			Decision: qos.Decision{Acted: true, Kills: []qos.Victim{v}, Ladders: []qos.LadderState{{Resource: policy.CPU, Rung: policy.Kill}}},
			Deducted: 2, Outcomes: []qos.Outcome{{Rule: "busy", Cleared: true}, {Rule: "busy"}, {Rule: "busy"}},
		},
	}}
}

func TestLadderShowsWhatIsDoneAndWhatWouldBe(t *testing.T) {
	r := ladderRecord(t)
	ticks := NewTicks()
	l := group{ticks, NewRecord(func() *decision.Record { return r })}
	ticks.Observe(r, nil)
	const want = `
# HELP estimatord_kill_breaker_open 1 while the kill budget is spent: nothing is killed and nothing offered.
# TYPE estimatord_kill_breaker_open gauge
estimatord_kill_breaker_open 0
# HELP estimatord_kill_budget_left Kills left in the budget.
# TYPE estimatord_kill_budget_left gauge
estimatord_kill_budget_left 7
# HELP estimatord_ladder_rung 1 for the rung on which a resource's ladder stands, 0 for the others.
# TYPE estimatord_ladder_rung gauge
estimatord_ladder_rung{resource="cpus",rung="freeze"} 0
estimatord_ladder_rung{resource="cpus",rung="kill"} 0
estimatord_ladder_rung{resource="cpus",rung="none"} 0
estimatord_ladder_rung{resource="cpus",rung="stop_offering"} 0
estimatord_ladder_rung{resource="cpus",rung="throttle"} 1
estimatord_ladder_rung{resource="mem",rung="freeze"} 0
estimatord_ladder_rung{resource="mem",rung="kill"} 0
estimatord_ladder_rung{resource="mem",rung="none"} 1
estimatord_ladder_rung{resource="mem",rung="stop_offering"} 0
estimatord_ladder_rung{resource="mem",rung="throttle"} 0
# HELP estimatord_offer_stopped 1 while the ladder or the kill budget has stopped the offer.
# TYPE estimatord_offer_stopped gauge
estimatord_offer_stopped 1
# HELP estimatord_qos_actions_total Ticks at which capacity was taken from revocable containers, or would have been by rules in shadow mode.
# TYPE estimatord_qos_actions_total counter
estimatord_qos_actions_total{mode="live"} 1
estimatord_qos_actions_total{mode="shadow"} 1
# HELP estimatord_signal Reading of a signal in its own unit; absent while it is unknown.
# TYPE estimatord_signal gauge
estimatord_signal{signal="node_cpu"} 0.97
# HELP estimatord_signals_active 1 while this node gives a reading of the signal, 0 while it is unknown.
# TYPE estimatord_signals_active gauge
estimatord_signals_active{signal="load5"} 0
estimatord_signals_active{signal="node_cpu"} 1
# HELP estimatord_throttle_limit_cores What all throttled containers may use together; absent while none is.
# TYPE estimatord_throttle_limit_cores gauge
estimatord_throttle_limit_cores{resource="cpus"} 1.5
# HELP estimatord_throttled_containers Revocable containers that are to be throttled.
# TYPE estimatord_throttled_containers gauge
estimatord_throttled_containers 1
# HELP estimatord_would_have_deducted_containers Running containers that rules in shadow mode would have killed, and therefore do not see.
# TYPE estimatord_would_have_deducted_containers gauge
estimatord_would_have_deducted_containers 2
# HELP estimatord_would_have_killed_total Revocable containers that rules in shadow mode would have killed, by rule.
# TYPE estimatord_would_have_killed_total counter
estimatord_would_have_killed_total{rule="busy"} 1
# HELP estimatord_would_have_outcomes_total Kills of rules in shadow mode by what became of the pressure without them: cleared or lasted.
# TYPE estimatord_would_have_outcomes_total counter
estimatord_would_have_outcomes_total{outcome="cleared",rule="busy"} 1
estimatord_would_have_outcomes_total{outcome="lasted",rule="busy"} 2
`
	if err := testutil.CollectAndCompare(l, strings.NewReader(want), metricNames(want)...); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(l); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func metricNames(text string) (names []string) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	return names
}

func TestPauseAndBlindRulesAreShown(t *testing.T) {
	r := &decision.Record{Commands: qos.Commands{Paused: true}, QoS: qos.Decision{Rules: []qos.RuleState{
		{Name: "busy", Reading: signal.Reading{Value: snapshot.ValueOf(0.97)}},
		{Name: "full", Reading: signal.Reading{Value: snapshot.Value{Why: snapshot.NoFile}}},
	}}}
	c := NewRecord(func() *decision.Record { return r })
	compare := func(want string) {
		t.Helper()
		const head = `
# HELP estimatord_paused 1 while an operator has paused the daemon: nothing is offered and nothing taken.
# TYPE estimatord_paused gauge
estimatord_paused 1
# HELP estimatord_rule_blind 1 for each policy rule that has no reading, with the reason; absent otherwise.
# TYPE estimatord_rule_blind gauge
`
		if err := testutil.CollectAndCompare(c, strings.NewReader(head+want), "estimatord_paused", "estimatord_rule_blind"); err != nil {
			t.Error(err)
		}
	}
	compare("estimatord_rule_blind{reason=\"no_file\",rule=\"full\"} 1\n")
	r.QoS.Blind = reason.StaleUsage
	compare("estimatord_rule_blind{reason=\"stale_usage\",rule=\"busy\"} 1\nestimatord_rule_blind{reason=\"stale_usage\",rule=\"full\"} 1\n")
}
