package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
)

func ladderRecord(t *testing.T) *decision.Record {
	v := victim(t, "busy")
	return &decision.Record{QoS: qos.Decision{
		Why: reason.Throttled, Acted: true, StopOffering: true,
		Rules:   []qos.RuleState{{Name: "busy", Value: snapshot.ValueOf(0.97), Above: 0.95, Clear: 0.9, Held: true}},
		Signals: []qos.SignalReading{{Signal: "node_cpu", Value: snapshot.ValueOf(0.97)}, {Signal: "load5", Value: snapshot.Value{Why: snapshot.NoFile}}},
		Ladders: []qos.LadderState{{Resource: qos.CPU, Rung: qos.Slow, Limit: 1.5}, {Resource: qos.Memory}},
		Actions: qos.Actions{Throttles: []qos.Throttle{{Victim: v, Cores: 1.5}}},
		Budget:  qos.BudgetState{Left: 7, Used: 3},
		Shadow: &qos.ShadowDecision{
			Decision: qos.Decision{Acted: true, Kills: []qos.Victim{v}, Ladders: []qos.LadderState{{Resource: qos.CPU, Rung: qos.Kill}}},
			Deducted: 2, Outcomes: []qos.Outcome{{Rule: "busy", Cleared: true}, {Rule: "busy"}, {Rule: "busy"}},
		},
	}}
}

func TestLadderShowsWhatIsDoneAndWhatWouldBe(t *testing.T) {
	r := ladderRecord(t)
	l := NewLadder(func() *decision.Record { return r })
	l.Observe(r)
	const want = `
# HELP estimatord_kill_breaker_open 1 while the kill budget is spent: nothing is killed and nothing offered.
# TYPE estimatord_kill_breaker_open gauge
estimatord_kill_breaker_open 0
# HELP estimatord_kill_budget_left Kills left in the budget.
# TYPE estimatord_kill_budget_left gauge
estimatord_kill_budget_left 7
# HELP estimatord_ladder_rung 1 for the rung on which a resource's ladder stands, 0 for the others.
# TYPE estimatord_ladder_rung gauge
estimatord_ladder_rung{resource="cpu",rung="freeze"} 0
estimatord_ladder_rung{resource="cpu",rung="kill"} 0
estimatord_ladder_rung{resource="cpu",rung="none"} 0
estimatord_ladder_rung{resource="cpu",rung="stop_offering"} 0
estimatord_ladder_rung{resource="cpu",rung="throttle"} 1
estimatord_ladder_rung{resource="memory",rung="freeze"} 0
estimatord_ladder_rung{resource="memory",rung="kill"} 0
estimatord_ladder_rung{resource="memory",rung="none"} 1
estimatord_ladder_rung{resource="memory",rung="stop_offering"} 0
estimatord_ladder_rung{resource="memory",rung="throttle"} 0
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
# HELP estimatord_throttle_limit What all throttled containers may use together; absent while none is.
# TYPE estimatord_throttle_limit gauge
estimatord_throttle_limit{resource="cpus",unit="cores"} 1.5
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

func TestThrottleShowsWhatWasWritten(t *testing.T) {
	report := throttle.Report{
		At: time.Unix(1, 0), Counters: throttle.Counters{Applied: 5, Restored: 3, Overwritten: 2, Failed: 1}, Journal: throttle.InForce,
		Containers: []throttle.Container{
			{Settings: []throttle.Setting{{Name: "quota", Why: throttle.InForce}, {Name: "weight", Why: throttle.InForce}}},
			{Settings: []throttle.Setting{{Name: "quota", Why: throttle.AgentOwnsQuota}, {Name: "weight", Why: throttle.InForce}}},
		},
	}
	c := NewThrottle(func() throttle.Report { return report })
	const want = `
# HELP estimatord_throttle_files_total Control files of revocable containers by what happened to them: applied, restored, overwritten by somebody else, failed.
# TYPE estimatord_throttle_files_total counter
estimatord_throttle_files_total{event="applied"} 5
estimatord_throttle_files_total{event="failed"} 1
estimatord_throttle_files_total{event="overwritten"} 2
estimatord_throttle_files_total{event="restored"} 3
# HELP estimatord_throttle_journal_ok 1 while the journal of throttles can be written; without it nothing is throttled.
# TYPE estimatord_throttle_journal_ok gauge
estimatord_throttle_journal_ok 1
# HELP estimatord_throttle_settings Control files that are to be held or given back, by setting and how that stands.
# TYPE estimatord_throttle_settings gauge
estimatord_throttle_settings{setting="quota",state="agent_owns_quota"} 1
estimatord_throttle_settings{setting="quota",state="in_force"} 1
estimatord_throttle_settings{setting="weight",state="in_force"} 2
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
