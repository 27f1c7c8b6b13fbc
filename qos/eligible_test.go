package qos

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

func TestEligibilitySaysOfEveryContainerHowItStands(t *testing.T) {
	p := cpuPolicy()
	p.Victims = policy.Victims{MinAge: time.Minute, MinUsage: 0.1, Protect: policy.Protect{Labels: []string{"keep"}}}
	young, protected, nested := revocable("young", 1), revocable("protected", 1), revocable("nested", 1)
	young.FirstSeen = after(-1)
	protected.Executor.Labels = []snapshot.Label{{Key: "keep"}}
	nested.Parent = "big"
	unknown := revocable("unknown", 1)
	unknown.CPU.Cores = snapshot.Value{Why: snapshot.FirstSample}
	s := node(after(0), 0.5, revocable("big", 1.5), revocable("medium", 0.9), revocable("tiny", 0.01), young, protected, nested, unknown,
		regular("web", 1), container("shared", snapshot.ClassShared, 1, 1), container("stray", snapshot.ClassUnknown, 1, 1), revocable("dying", 1))
	slices.SortFunc(s.Containers, func(a, b snapshot.Container) int { return strings.Compare(a.ID, b.ID) })
	var got []string
	for _, c := range Eligibility(p, s, []InFlight{{Key: snapshot.Key{ID: "dying", Inode: 7}}}) {
		got = append(got, c.ID+" "+string(c.Why))
	}
	want := []string{
		"big eligible", "medium eligible", "dying already_dying", "protected protected", "shared runs_regular_task", "stray unknown_to_agent",
		"tiny too_small", "unknown unknown_usage", "young too_young", "web not_revocable",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if c := Eligibility(p, s, nil)[0]; c.Why != reason.Eligible || c.Over != 0.5 || c.Usage != 1.5 {
		t.Errorf("first %+v", c)
	}
	s.TreeWhy = snapshot.Denied
	if got := Eligibility(p, s, nil); got != nil {
		t.Errorf("blind: %v", got)
	}
	if got := Eligibility(nil, s, nil); got != nil {
		t.Errorf("without a policy: %v", got)
	}
}

// Two rules may kill in one tick: each of another container, and no more than
// the budget has.
func TestTwoRulesTakeTwoContainers(t *testing.T) {
	for kills, want := range map[int]string{5: "big medium", 1: "big"} {
		t.Run(strconv.Itoa(kills), func(t *testing.T) {
			p := policyOf(ruleOf("first", signal.NodeCPU, 0.95), ruleOf("second", signal.NodeCPU, 0.1))
			p.Rules[0].For, p.Rules[1].For = 0, 0
			p.Ladder.KillsAtOnce, p.Budget.Kills = 5, kills
			d, _ := decide(p, State{}, node(after(0), 2, revocable("big", 0.8), revocable("medium", 0.7), regular("web", 0.5)), nil)
			if got := killed(d); got != want {
				t.Errorf("killed %q, want %q", got, want)
			}
		})
	}
}
