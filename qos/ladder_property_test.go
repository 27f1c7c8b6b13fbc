package qos

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// anyLadderPolicy is a policy of one to three rules up to any rung, with all that
// can be set of the ladder. Each rule's reading is 0 on a calm node.
func anyLadderPolicy(t *rapid.T) *policy.Policy {
	p := policy.DefaultPolicy()
	seconds := func(label string, least, most int) time.Duration {
		return time.Duration(rapid.IntRange(least, most).Draw(t, label)) * time.Second
	}
	p.Ladder = policy.Ladder{
		Dwell: seconds("dwell", 1, 3), FloorCores: rapid.SampledFrom([]float64{0.01, 0.02, 0.5}).Draw(t, "floor"),
		Loosen: rapid.SampledFrom([]float64{0.05, 0.2, 1}).Draw(t, "loosen"), FreezeFor: seconds("freeze for", 0, 4),
		KillsAtOnce: rapid.IntRange(1, 3).Draw(t, "at once"), IgnoredAfter: seconds("ignored after", 1, 8),
	}
	p.Budget = policy.Budget{Kills: rapid.IntRange(1, 4).Draw(t, "budget"), Per: time.Minute}
	p.Victims.MinUsage = 0
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		r := policy.Rule{
			Name: fmt.Sprintf("rule-%d", i), For: seconds("for", 0, 2), Settle: seconds("settle", 0, 3),
			Immediate: rapid.IntRange(0, 3).Draw(t, "immediate") == 0,
		}
		switch rapid.IntRange(0, 3).Draw(t, "signal") {
		case 0:
			r.Signal, r.Above, r.Clear = signal.Load1, 6, 5
		case 1:
			r.Signal, r.Above, r.Clear = signal.RegularCPUPressure, 0.1, 0.05
		default:
			r.Signal, r.Above, r.Clear = signal.NodeCPU, 0.95, 0.9
		}
		r.Action = policy.Rung(rapid.IntRange(int(policy.StopOffering), int(policy.Kill)).Draw(t, "action"))
		if r.Action == policy.Freeze && p.Ladder.FreezeFor == 0 {
			r.Action = policy.Kill
		}
		p.Rules = append(p.Rules, r)
	}
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	return &p
}

// world is a node whose containers mostly stay, and which is short of CPU for
// some ticks, calm for some, and at times one on which much goes wrong.
type world struct {
	containers []snapshot.Container
	left       int
	mood       int
}

func anyWorld(t *rapid.T) *world {
	w := &world{containers: []snapshot.Container{regular("a", 1)}}
	for i := range rapid.IntRange(1, 5).Draw(t, "containers") {
		class := rapid.SampledFrom([]snapshot.Class{
			snapshot.ClassRevocable, snapshot.ClassRevocable, snapshot.ClassRevocable, snapshot.ClassShared, snapshot.ClassUnknown, snapshot.ClassRegular,
		}).Draw(t, "class")
		w.containers = append(w.containers, container(fmt.Sprintf("c%d", i), class, 0.5, 1))
	}
	return w
}

func (w *world) tick(t *rapid.T, at time.Time) *snapshot.Snapshot {
	if w.left--; w.left <= 0 {
		w.left, w.mood = rapid.IntRange(1, 9).Draw(t, "mood for"), rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "mood")
	}
	if w.mood == 3 {
		return anyTick(t, at)
	}
	busy, load, pressure := 2.0, 12.0, 0.9
	switch w.mood {
	case 1:
		busy, load, pressure = 0.2, 0, 0
	case 2: // between clear and above
		busy, load, pressure = 1.85, 5.5, 0.07
	}
	s := node(at, busy, append([]snapshot.Container(nil), w.containers...)...)
	s.Host.Load1 = snapshot.ValueOf(load)
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Pressure.CPUSome, c.CPU.ThrottledNanos = snapshot.ValueOf(pressure), snapshot.CountOf(0)
	}
	c := &s.Containers[rapid.IntRange(0, len(s.Containers)-1).Draw(t, "which")]
	switch rapid.IntRange(0, 9).Draw(t, "fault") {
	case 0:
		c.CPU.Cores = snapshot.Value{Why: snapshot.Failed}
	case 1:
		c.OnDisk = false
	case 2:
		c.CPU.Cores = snapshot.ValueOf(rapid.Float64Range(0, 2).Draw(t, "uses"))
	}
	return s
}

// anyTick is a node on which much goes wrong.
func anyTick(t *rapid.T, at time.Time) *snapshot.Snapshot {
	s := anySnapshot(t, at)
	s.Host.Load1 = anyValue(t, "load1", 12)
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Pressure.CPUSome, c.CPU.ThrottledNanos = anyValue(t, "pressure", 1), snapshot.CountOf(0)
	}
	return s
}

// watch holds what one ladder did up to now against what it must never do.
type watch struct {
	p     *policy.Policy
	kills []time.Time
	rungs [policy.NumResources]policy.Rung
	cores map[snapshot.Key]float64
	limit float64
	// killed are those of the tick before: where nobody carries the kill out, the
	// limit goes on.
	killed  map[snapshot.Key]bool
	freezes map[snapshot.Key]time.Time
}

func (w *watch) check(t *rapid.T, s *snapshot.Snapshot, d *Decision) {
	before := w.rungs[policy.CPU]
	w.checkVictims(t, s, d)
	w.checkBudget(t, d, s.At)
	w.checkRungs(t, d)
	w.checkThrottles(t, s, d, before)
	frozen := map[snapshot.Key]time.Time{}
	for _, v := range d.Actions.Freezes {
		frozen[v.Key()] = s.At
		if since, was := w.freezes[v.Key()]; was {
			frozen[v.Key()] = since
		}
		if long := s.At.Sub(frozen[v.Key()]); long >= w.p.Ladder.FreezeFor {
			t.Fatalf("frozen for %s, at most %s", long, w.p.Ladder.FreezeFor)
		}
	}
	w.freezes = frozen
}

func (w *watch) checkVictims(t *rapid.T, s *snapshot.Snapshot, d *Decision) {
	touched := append([]Victim(nil), d.Kills...)
	touched = append(touched, d.Actions.Freezes...)
	for _, th := range d.Actions.Throttles {
		touched = append(touched, th.Victim)
	}
	for _, v := range touched {
		c := find(s, v.Key())
		if c.Executor == nil || c.Executor.Classify() != snapshot.ClassRevocable || c.Parent != "" || !c.OnDisk {
			t.Fatalf("touched %+v", c)
		}
	}
	killed := map[snapshot.Key]bool{}
	for _, v := range d.Kills {
		if killed[v.Key()] {
			t.Fatalf("killed %s twice", v.Key().ID)
		}
		killed[v.Key()] = true
		if c := find(s, v.Key()); !known(c.CPU.Cores).OK() {
			t.Fatalf("killed one that uses %+v", c.CPU.Cores)
		}
		for i := range d.Rules {
			if r := &d.Rules[i]; r.Name == v.Cause().Rule && r.Why != reason.Preempt {
				t.Fatalf("killed by a rule that is %s", r.Why)
			}
		}
		if s.TreeWhy != snapshot.Present || s.Usage == nil || s.At.Sub(s.Usage.At) > w.p.Fresh.Usage {
			t.Fatal("killed blindly")
		}
	}
}

func (w *watch) checkBudget(t *rapid.T, d *Decision, now time.Time) {
	for range d.Kills {
		w.kills = append(w.kills, now)
	}
	within := 0
	for _, at := range w.kills {
		if now.Sub(at) < w.p.Budget.Per {
			within++
		}
	}
	if within > w.p.Budget.Kills {
		t.Fatalf("%d kills within %s, at most %d", within, w.p.Budget.Per, w.p.Budget.Kills)
	}
}

func (w *watch) checkRungs(t *rapid.T, d *Decision) {
	for i := range d.Ladders {
		l := &d.Ladders[i]
		next := w.rungs[i] + 1
		if next == policy.Freeze && w.p.Ladder.FreezeFor == 0 {
			next = policy.Kill
		}
		for k := range d.Rules {
			r := &d.Rules[k]
			if rule := w.rule(r.Name); rule.Immediate && r.Active && r.Exceeded {
				next = max(next, rule.Action)
			}
		}
		if l.Rung > next {
			t.Fatalf("from rung %s to %s", w.rungs[i], l.Rung)
		}
		if l.Rung > policy.None && !d.StopOffering {
			t.Fatalf("on rung %s, and still offering", l.Rung)
		}
		w.rungs[i] = l.Rung
	}
}

func (w *watch) rule(name string) *policy.Rule {
	for i := range w.p.Rules {
		if w.p.Rules[i].Name == name {
			return &w.p.Rules[i]
		}
	}
	return &policy.Rule{}
}

func (w *watch) checkThrottles(t *rapid.T, s *snapshot.Snapshot, d *Decision, before policy.Rung) {
	blind := true
	for i := range d.Rules {
		blind = blind && d.Rules[i].Why == reason.Blind
	}
	limit := d.Ladders[policy.CPU].Limit
	cores := map[snapshot.Key]float64{}
	for _, th := range d.Actions.Throttles {
		k := th.Victim.Key()
		if _, had := w.cores[k]; !had && !w.killed[k] && !known(find(s, k).CPU.Cores).OK() {
			t.Fatalf("throttled %s, whose use is not known", k.ID)
		}
		cpus := s.Host.Usable()
		switch cores[k] = th.Cores; {
		case th.Cores == 0 && th.LowWeight && (limit == 0 || cpus.OK() && limit >= cpus.V || !known(find(s, k).CPU.Cores).OK()):
		case !(th.Cores >= w.p.Ladder.FloorCores) || th.Cores > max(limit, w.p.Ladder.FloorCores)+1e-9:
			t.Fatalf("limited to %v cores, all together to %v, floor %v", th.Cores, limit, w.p.Ladder.FloorCores)
		}
	}
	left := len(w.killed) > 0 // what was killed at the tick before has a share no more
	for k := range w.cores {
		_, stays := cores[k]
		left = left || !stays
	}
	if before := w.limit; blind && !left && limit > 0 && (before == 0 || limit < before-1e-9) {
		t.Fatalf("all together from %v to %v while blind", before, limit)
	}
	if blind && len(cores) > 0 && before < policy.Throttle {
		t.Fatalf("%d new throttles while blind", len(cores))
	}
	if d.Ladders[policy.CPU].Rung < policy.Throttle && len(cores) > 0 {
		t.Fatalf("%d throttles on rung %s", len(cores), d.Ladders[policy.CPU].Rung)
	}
	w.cores, w.limit, w.killed = cores, limit, map[snapshot.Key]bool{}
	for _, v := range d.Kills {
		w.killed[v.Key()] = true
	}
}

// Over any history: nobody but revocable containers is touched, the budget is
// kept, nothing is killed or tightened blindly, no rung is skipped, no freeze
// lasts too long, no limit is below the floor; what is given to Decide does not
// change, and the same comes from the same. Rules in shadow mode change nothing
// of what is done. And when the node stays calm, all is undone in bounded time.
func TestLadderProperties(t *testing.T) {
	var kills, throttles, freezes int
	rapid.Check(t, func(t *rapid.T) {
		p := anyLadderPolicy(t)
		shadowed := withShadows(p)
		w := watch{p: p}
		var st, twin State
		var inFlight []InFlight
		at := t0
		node := anyWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			at = at.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 1, 1, 1, 2, 12}).Draw(t, "gap")) * time.Second)
			s := node.tick(t, at)
			before := fmt.Sprintf("%+v %+v", st, *s)
			d, next := decide(p, st, s, inFlight)
			if after := fmt.Sprintf("%+v %+v", st, *s); after != before {
				t.Fatalf("changed its input:\n%s\n%s", before, after)
			}
			if again, _ := decide(p, st, s, inFlight); !reflect.DeepEqual(again, d) {
				t.Fatalf("not the same from the same:\n%+v\n%+v", d, again)
			}
			var other Decision
			other, twin = decide(shadowed, twin, s, inFlight)
			if other.Shadow == nil {
				t.Fatal("no shadow")
			}
			if other.Shadow = nil; !reflect.DeepEqual(other, d) {
				t.Fatalf("decided otherwise beside rules in shadow mode:\n%+v\n%+v", d, other)
			}
			w.check(t, s, &d)
			kills, throttles, freezes = kills+len(d.Kills), throttles+len(d.Actions.Throttles), freezes+len(d.Actions.Freezes)
			if len(inFlight) > 0 && rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
				inFlight = inFlight[1:]
			}
			for _, v := range d.Kills {
				inFlight = append(inFlight, InFlight{Key: v.Key(), Since: at})
			}
			st = next
		}
		calmDown(t, p, st, at)
	})
	if kills == 0 || throttles == 0 || freezes == 0 {
		t.Errorf("%d kills, %d throttles, %d freezes: nothing was tested", kills, throttles, freezes)
	}
}

// withShadows is p with a shadow rule before and after its own.
func withShadows(p *policy.Policy) *policy.Policy {
	q := *p
	extra := policy.Rule{Name: "shadow-kill", Signal: signal.NodeCPU, Above: 0.5, Clear: 0.4, Action: policy.Kill, Immediate: true, Shadow: true}
	other := extra
	other.Name, other.Action, other.Immediate = "shadow-slow", policy.Throttle, false
	q.Rules = append([]policy.Rule{extra}, p.Rules...)
	q.Rules = append(q.Rules, other)
	return &q
}

// calmDown: the longest that it takes is a step of loosening per dwell, doubled
// by the most backing off, of which 100 are enough (a step is at least a
// hundredth), two rungs more, and what a rule needs to let go.
func calmDown(t *rapid.T, p *policy.Policy, st State, at time.Time) {
	bound := 103*int((p.Ladder.Dwell<<maxBackoff)/time.Second) + int(p.Fresh.Sample/time.Second)
	var d Decision
	for range bound {
		at = at.Add(time.Second)
		s := node(at, 0, regular("web", 0), revocable("c0", 0), revocable("c1", 0), revocable("c2", 0))
		for i := range s.Containers {
			s.Containers[i].Pressure.CPUSome, s.Containers[i].CPU.ThrottledNanos = snapshot.ValueOf(0), snapshot.CountOf(0)
		}
		if d, st = decide(p, st, s, nil); len(d.Kills) > 0 {
			t.Fatalf("killed %q on a calm node", killed(d))
		}
		if d.Ladders[policy.CPU].Rung == policy.None && len(d.Actions.Throttles)+len(d.Actions.Freezes) == 0 {
			return
		}
	}
	t.Fatalf("after %d s on a calm node: %+v, %d throttles, %d freezes", bound, d.Ladders[policy.CPU], len(d.Actions.Throttles), len(d.Actions.Freezes))
}

// Whatever the rules in shadow mode would do, nothing is done.
func TestShadowDoesNothing(t *testing.T) {
	would := 0
	rapid.Check(t, func(t *rapid.T) {
		p := anyLadderPolicy(t)
		if rapid.Bool().Draw(t, "all") {
			p.Shadow = true
		} else {
			for i := range p.Rules {
				p.Rules[i].Shadow = true
			}
		}
		var st State
		at := t0
		node := anyWorld(t)
		for range rapid.IntRange(1, 30).Draw(t, "ticks") {
			at = at.Add(time.Second)
			var d Decision
			d, st = decide(p, st, node.tick(t, at), nil)
			if len(d.Kills)+len(d.Actions.Throttles)+len(d.Actions.Freezes) > 0 || d.StopOffering || d.Acted {
				t.Fatalf("did something: %+v", d)
			}
			would += len(d.Shadow.Kills)
		}
	})
	t.Logf("%d shadow kills", would)
	if would == 0 {
		t.Error("no shadow rule would have killed, so nothing was tested")
	}
}

// known is x unless it is no number that anything can be decided on.
func known(x snapshot.Value) snapshot.Value {
	if x.OK() && !(x.V >= 0 && !math.IsInf(x.V, 1)) {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return x
}
