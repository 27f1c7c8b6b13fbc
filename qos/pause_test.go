package qos

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// A paused daemon undoes what it did, takes nothing, and stops the offer; what
// was above before counts anew when it goes on.
func TestPaused(t *testing.T) {
	slow := ruleOf("slow", signal.NodeCPU, 0.9)
	slow.For, slow.Action = 0, policy.Throttle
	kill := ruleOf("kill", signal.NodeCPU, 0.95)
	kill.For = 5 * time.Second
	p := policyOf(slow, kill)
	var st State
	tick := func(at float64, paused bool) (d Decision) {
		s := node(after(at), 2, regular("web", 1), revocable("hog", 1))
		d, st = Decide(p, st, Input{Snapshot: s, Commands: Commands{Paused: paused}})
		return d
	}
	for at := range 4 {
		tick(float64(at), false)
	}
	if d := tick(4, false); len(d.Actions.Throttles) != 1 || killed(d) != "" {
		t.Fatalf("before: throttles %v, kills %q", d.Actions.Throttles, killed(d))
	}
	for at := 5; at < 20; at++ {
		d := tick(float64(at), true)
		if len(d.Actions.Throttles) != 0 || killed(d) != "" || !d.StopOffering || d.Why != reason.Paused || d.Acted {
			t.Fatalf("paused at %d s: %+v", at, d)
		}
		if d.Shadow == nil || len(d.Shadow.Rules) != 2 {
			t.Fatalf("paused at %d s: what would be done is not shown: %+v", at, d.Shadow)
		}
	}
	if d := tick(20, false); killed(d) != "" {
		t.Errorf("killed %q at once after the pause: the time in it counted", killed(d))
	}
	for at := 21; at < 25; at++ {
		if d := tick(float64(at), false); killed(d) != "" {
			t.Errorf("killed %q %d s after the pause, before the rule's 5 s", killed(d), at-20)
		}
	}
	if d := tick(25, false); killed(d) != "hog" {
		t.Errorf("killed %q 5 s after the pause (%s), want hog", killed(d), d.Why)
	}
}

// Without a policy there is an offer to stop all the same.
func TestPausedWithoutAPolicy(t *testing.T) {
	d, st := Decide(nil, State{}, Input{Snapshot: node(after(0), 1), Commands: Commands{Paused: true}})
	if !d.StopOffering || d.Why != reason.Paused {
		t.Errorf("paused: %+v", d)
	}
	if d, _ = Decide(nil, st, Input{Snapshot: node(after(1), 1)}); d.StopOffering || d.Why != reason.NoPolicy {
		t.Errorf("resumed: %+v", d)
	}
}
