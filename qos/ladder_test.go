package qos

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// slowPolicy throttles at once when more than 95 % of the CPUs are busy.
func slowPolicy(action policy.Rung) *policy.Policy {
	r := ruleOf("cpu", signal.NodeCPU, 0.95)
	r.Action, r.Immediate, r.For, r.Settle, r.Clear = action, false, 0, 3*time.Second, 0.9
	return policyOf(r)
}

// ticks tells Decide the same, a second apart, and returns the last decision.
func ticks(t *testing.T, p *policy.Policy, st State, from, n int, scene func(at time.Time) *snapshot.Snapshot, inFlight ...InFlight) (Decision, State) {
	t.Helper()
	var d Decision
	for i := range n {
		d, st = decide(p, st, scene(after(float64(from+i))), inFlight)
	}
	return d, st
}

func full(containers ...snapshot.Container) func(at time.Time) *snapshot.Snapshot {
	return func(at time.Time) *snapshot.Snapshot {
		return node(at, 2, append([]snapshot.Container(nil), containers...)...)
	}
}

func coresOf(d Decision, id string) float64 {
	for _, th := range d.Actions.Throttles {
		if th.Victim.Key().ID == id {
			return th.Cores
		}
	}
	return 0
}

// The first cut is what is missing and a tenth more; one that does not show is
// not repeated, one that shows and is not enough is doubled.
func TestThrottleInProportion(t *testing.T) {
	p := slowPolicy(policy.Throttle)
	scene := full(revocable("hog", 1), regular("web", 1))
	d, st := ticks(t, p, State{}, 0, 2, scene)
	first := 1 - 0.1*beyondShortfall // busy 2, allowed 1.9
	if got := coresOf(d, "hog"); math.Abs(got-first) > 1e-9 {
		t.Fatalf("first limit %v, want %v", got, first)
	}
	if d, st = ticks(t, p, st, 2, 2, scene); math.Abs(coresOf(d, "hog")-first) > 1e-9 {
		t.Errorf("cut again to %v although the first cut has not shown", coresOf(d, "hog"))
	}
	d, _ = ticks(t, p, st, 4, 1, full(revocable("hog", first), regular("web", 2-first)))
	if got, want := coresOf(d, "hog"), first-2*0.1*beyondShortfall; math.Abs(got-want) > 1e-9 {
		t.Errorf("second limit %v, want %v", got, want)
	}
}

// What one that left had is not handed to the others.
func TestShareOfOneThatLeft(t *testing.T) {
	p := slowPolicy(policy.Throttle)
	d, st := ticks(t, p, State{}, 0, 2, full(revocable("a", 0.8), revocable("b", 0.8), regular("web", 0.4)))
	each := coresOf(d, "a")
	if each == 0 || coresOf(d, "b") != each {
		t.Fatalf("limits %v and %v", each, coresOf(d, "b"))
	}
	calm := func(at time.Time) *snapshot.Snapshot {
		return node(at, 1.85, revocable("a", each), regular("web", 0.4))
	}
	d, _ = ticks(t, p, st, 2, 1, calm)
	if got := coresOf(d, "a"); got != each || math.Abs(d.Ladders[policy.CPU].Limit-each) > 1e-9 {
		t.Errorf("limit %v, all together %v; want %v", got, d.Ladders[policy.CPU].Limit, each)
	}
}

// A container whose kill was ignored lives, and is throttled again.
func TestIgnoredKillIsThrottled(t *testing.T) {
	p := slowPolicy(policy.Throttle)
	scene := full(revocable("hog", 1), regular("web", 1))
	flight := InFlight{Key: snapshot.Key{ID: "hog", Inode: 7}, Since: t0}
	d, st := ticks(t, p, State{}, 0, 5, scene, flight)
	if len(d.Actions.Throttles) != 0 {
		t.Fatal("throttled while it dies")
	}
	d, _ = ticks(t, p, st, 31, 2, scene, flight)
	if coresOf(d, "hog") == 0 {
		t.Error("not throttled after its kill was ignored")
	}
}

// An ignored kill does not block the next one.
func TestIgnoredKillDoesNotBlock(t *testing.T) {
	p := cpuPolicy()
	scene := full(revocable("a", 1), revocable("b", 0.5), regular("web", 0.5))
	flight := InFlight{Key: snapshot.Key{ID: "a", Inode: 7}, Since: t0}
	d, st := ticks(t, p, State{}, 0, 31, scene, flight)
	if killed(d) != "" {
		t.Fatalf("killed %q during a kill", killed(d))
	}
	if d, _ = ticks(t, p, st, 31, 1, scene, flight); killed(d) != "b" {
		t.Errorf("killed %q, want b", killed(d))
	}
}

// The breaker opens when a kill is wanted and none is left, and closes when half
// of the budget is there again, or by order. It outlives the policy.
func TestBreaker(t *testing.T) {
	p := cpuPolicy()
	p.Rules[0].For, p.Rules[0].Settle = 0, 0
	p.Budget = policy.Budget{Kills: 4, Per: time.Minute}
	scene := full(revocable("a", 1), regular("web", 1))
	d, st := ticks(t, p, State{}, 0, 4, scene) // four kills, none of which arrives
	if killed(d) != "a" || d.Budget.Open() || d.Budget.Left != 0 {
		t.Fatalf("killed %q, budget %+v", killed(d), d.Budget)
	}
	if d, st = ticks(t, p, st, 4, 1, scene); killed(d) != "" || !d.Budget.Open() || !d.StopOffering {
		t.Fatalf("killed %q, budget %+v", killed(d), d.Budget)
	}
	other, _ := ticks(t, nil, st, 5, 1, scene)
	if other.StopOffering {
		t.Error("no policy, and the offer is stopped")
	}
	q := *p
	_, swapped := Decide(nil, st, Input{Snapshot: scene(after(5))})
	if d, _ := decide(&q, swapped, scene(after(6)), nil); !d.Budget.Open() || killed(d) != "" {
		t.Errorf("after a reload: killed %q, budget %+v", killed(d), d.Budget)
	}
	reset, _ := Decide(p, st, Input{Snapshot: scene(after(5)), Commands: Commands{ResetBudget: true}})
	if killed(reset) != "a" || reset.Budget.Open() {
		t.Errorf("after a reset: killed %q, budget %+v", killed(reset), reset.Budget)
	}
	// The first kill is forgotten at 60 s, the second at 61 s.
	if d, _ = ticks(t, p, st, 60, 1, scene); !d.Budget.Open() {
		t.Error("closed with three of four kills in its span")
	}
	if d, _ = ticks(t, p, st, 61, 1, scene); d.Budget.Open() || killed(d) != "a" {
		t.Errorf("with half of it there again: killed %q, budget %+v", killed(d), d.Budget)
	}
}

// A policy that is swapped in keeps what an unchanged rule holds, and a policy
// in which nothing may be done undoes it at once.
func TestPolicySwap(t *testing.T) {
	p := slowPolicy(policy.Throttle)
	scene := full(revocable("hog", 1), regular("web", 1))
	d, st := ticks(t, p, State{}, 0, 3, scene)
	limit := coresOf(d, "hog")
	between := func(at time.Time) *snapshot.Snapshot {
		return node(at, 1.85, revocable("hog", limit), regular("web", 1))
	}
	same := slowPolicy(policy.Throttle)
	same.Budget.Kills = 1
	if d, _ = ticks(t, same, st, 3, 30, between); coresOf(d, "hog") != limit || !d.Rules[0].Active {
		t.Errorf("limit %v after a reload, want %v; %+v", coresOf(d, "hog"), limit, d.Rules[0])
	}
	shadow := slowPolicy(policy.Throttle)
	shadow.Shadow = true
	if d, _ = ticks(t, shadow, st, 3, 1, scene); len(d.Actions.Throttles) != 0 || d.StopOffering {
		t.Errorf("in shadow mode: %+v", d.Actions)
	}
}

// A clock that is set back does not freeze anything for longer.
func TestFreezeEndsWhenTheClockGoesBack(t *testing.T) {
	p := slowPolicy(policy.Freeze)
	p.Ladder.FreezeFor = 10 * time.Second
	p.Rules[0].Immediate = true
	scene := full(revocable("hog", 1), regular("web", 1))
	d, st := ticks(t, p, State{}, 100, 1, scene)
	if len(d.Actions.Freezes) != 1 {
		t.Fatalf("not frozen: %+v", d)
	}
	for _, at := range []int{50, 95, 105} {
		if d, st = ticks(t, p, st, at, 1, scene); len(d.Actions.Freezes) != 0 {
			t.Errorf("frozen again at %d s", at)
		}
	}
}

// Two rules at one tick: the second takes who is left, for what is missing beyond
// the first one's victim, and within the budget.
func TestTwoRulesAtOneTick(t *testing.T) {
	mild, harsh := ruleOf("mild", signal.NodeCPU, 0.95), ruleOf("harsh", signal.NodeCPU, 0.3)
	mild.For, harsh.For = 0, 0
	p := policyOf(mild, harsh)
	p.Ladder.KillsAtOnce = 3
	scene := full(revocable("a", 1), revocable("b", 0.1), regular("web", 0.9))
	if d, _ := ticks(t, p, State{}, 0, 1, scene); killed(d) != "a b" {
		t.Errorf("killed %q, want a b", killed(d))
	}
	p.Budget.Kills = 1
	if d, _ := ticks(t, p, State{}, 0, 1, scene); killed(d) != "a" || !d.Budget.Open() {
		t.Errorf("killed %q with a budget of one, %+v", killed(d), d.Budget)
	}
}

// All rungs in order on the way up, each with its time to show, and back in
// reverse.
func TestWholeLadder(t *testing.T) {
	p := slowPolicy(policy.Kill)
	p.Rules[0].Settle = 2 * time.Second
	p.Ladder.Dwell, p.Ladder.FreezeFor, p.Ladder.Loosen = 3*time.Second, 30*time.Second, 10
	up := full(revocable("hog", 1), regular("web", 1)) // whatever is done, it uses a core
	var st State
	climb := func(n int, scene func(at time.Time) *snapshot.Snapshot, from int, flight ...InFlight) (rungs []policy.Rung, kills []string) {
		for i := range n {
			var d Decision
			d, st = decide(p, st, scene(after(float64(from+i))), flight)
			rungs = append(rungs, d.Ladders[policy.CPU].Rung)
			for _, v := range d.Kills {
				kills = append(kills, v.Key().ID)
			}
		}
		return rungs, kills
	}
	rungs, kills := climb(7, up, 0)
	if want := []policy.Rung{policy.StopOffering, policy.Throttle, policy.Throttle, policy.Freeze, policy.Freeze, policy.Freeze, policy.Kill}; !slices.Equal(rungs, want) || !slices.Equal(kills, []string{"hog"}) {
		t.Errorf("climbed %v and killed %q, want %v", rungs, kills, want)
	}
	down := func(at time.Time) *snapshot.Snapshot {
		return node(at, 0.1, revocable("other", 0), regular("web", 0.1))
	}
	rungs, _ = climb(20, down, 7)
	if want := []policy.Rung{policy.Freeze, policy.StopOffering, policy.None}; !slices.Equal(slices.Compact(slices.Clone(rungs)), want) {
		// The throttle went with its only container.
		t.Errorf("went down %v, want %v", slices.Compact(slices.Clone(rungs)), want)
	}
	st = State{}
	climb(7, up, 100)
	calm := func(at time.Time) *snapshot.Snapshot { return node(at, 0.1, revocable("hog", 0), regular("web", 0.1)) }
	rungs, _ = climb(30, calm, 107)
	if want := []policy.Rung{policy.Freeze, policy.Throttle, policy.StopOffering, policy.None}; !slices.Equal(slices.Compact(slices.Clone(rungs)), want) || rungs[2] != policy.Freeze || rungs[3] != policy.Throttle {
		t.Errorf("went down %v, want %v, each for the dwell", rungs, want)
	}
}
