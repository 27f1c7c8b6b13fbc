package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// ghost is a container that would have been killed and still runs.
type ghost struct {
	key snapshot.Key
	// rule is the name of the rule that would have killed it, until when its
	// outcome is awaited; zero when it is known.
	rule  string
	until time.Time
}

// pretend is one tick of the rules in shadow mode. They see a node from which
// what they would have taken is deducted, since a dry run that deducts nothing
// takes the same again at each tick. What cannot be deducted is the pressure
// itself: a rule that reads it waits for its settle time, as after a kill.
func (e *engine) pretend(p *policy.Policy, counts func(*policy.Rule) bool, v *signal.View, in *Input) ShadowDecision {
	var out ShadowDecision
	e.ghosts = slices.DeleteFunc(slices.Clone(e.ghosts), func(g ghost) bool {
		gone := v.Snapshot.TreeWhy == snapshot.Present && !slices.ContainsFunc(v.Snapshot.Containers, func(c snapshot.Container) bool { return c.Key == g.key && c.OnDisk })
		if o, known := e.outcome(p, v, &g, gone); known {
			out.Outcomes = append(out.Outcomes, o)
		}
		return gone
	})
	for i := range e.ghosts {
		if _, known := e.outcome(p, v, &e.ghosts[i], false); known {
			e.ghosts[i].until = noTime
		}
	}
	out.Deducted = len(e.ghosts)
	less := e.deduct(v)
	lessView := v.Again(less)
	out.Decision = e.decide(p, counts, &lessView, in)
	for _, k := range out.Kills {
		rule := slices.IndexFunc(p.Rules, func(r policy.Rule) bool { return r.Name == k.Cause().Rule })
		r := &p.Rules[rule]
		e.ghosts = append(e.ghosts, ghost{key: k.Key(), rule: k.Cause().Rule, until: v.Snapshot.At.Add(max(r.For+r.Settle, minOutcome))})
	}
	e.dying = nil // it would have been gone by the next tick
	if len(out.Kills) > 0 {
		e.goneAt = v.Snapshot.At
	}
	return out
}

// minOutcome is the least time after which it is judged whether a shadow kill
// was needed.
const minOutcome = 10 * time.Second

// outcome says whether the rule cleared without the kill, once that is known.
func (e *engine) outcome(p *policy.Policy, v *signal.View, g *ghost, gone bool) (Outcome, bool) {
	rule := slices.IndexFunc(p.Rules, func(r policy.Rule) bool { return r.Name == g.rule })
	if g.until.IsZero() || rule < 0 {
		return Outcome{}, false
	}
	r := &p.Rules[rule]
	o := Outcome{Key: g.key, Rule: r.Name}
	m := v.Read(r)
	switch {
	case gone, v.Blind == "" && m.Value.OK() && m.Value.V <= r.Clear:
		o.Cleared = true
		return o, true
	case v.Snapshot.At.After(g.until):
		return o, true
	}
	return o, false
}

// deduct is the snapshot without the ghosts, with what is throttled at its
// limit. It is the snapshot itself when there is nothing to deduct.
func (e *engine) deduct(v *signal.View) *snapshot.Snapshot {
	if len(e.ghosts) == 0 && len(e.limits) == 0 {
		return v.Snapshot
	}
	s := *v.Snapshot
	s.Containers = make([]snapshot.Container, 0, len(v.Snapshot.Containers))
	less := 0.0
	for i := range v.Snapshot.Containers {
		c := v.Snapshot.Containers[i]
		cores := v.Cores(&c)
		if slices.ContainsFunc(e.ghosts, func(g ghost) bool { return g.key == c.Key }) {
			less += cores.V
			continue
		}
		if by := e.limitOf(c.Key); by[policy.CPU] > 0 && cores.OK() && cores.V > by[policy.CPU] {
			less += cores.V - by[policy.CPU]
			c.CPU.Cores.V = by[policy.CPU]
		}
		s.Containers = append(s.Containers, c)
	}
	if s.Host.BusyCores.OK() {
		s.Host.BusyCores.V = max(0, s.Host.BusyCores.V-less)
	}
	return &s
}
