package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// shadowVictim is a container that would have been killed and still runs.
type shadowVictim struct {
	key snapshot.Key
	// rule is the name of the rule that would have killed it, until when its
	// outcome is awaited; zero when it is known.
	rule  string
	until time.Time
}

// decideShadow is one tick of the rules in shadow mode. They see a node from which
// what they would have taken is deducted, since a dry run that deducts nothing
// takes the same again at each tick. What cannot be deducted is the pressure
// itself: a rule that reads it waits for its settle time, as after a kill.
func (e *engine) decideShadow(p *policy.Policy, counts func(*policy.Rule) bool, v *signal.View, now time.Time) ShadowDecision {
	var out ShadowDecision
	still := make([]shadowVictim, 0, len(e.shadowVictims))
	for _, s := range e.shadowVictims {
		c := v.Snapshot.Find(s.key)
		gone := v.Snapshot.TreeWhy == snapshot.Present && (c == nil || !c.OnDisk)
		if o, known := outcome(p, v, &s, gone, now); known {
			out.Outcomes = append(out.Outcomes, o)
			s.until = time.Time{}
		}
		if !gone {
			still = append(still, s)
		}
	}
	e.shadowVictims = still
	out.Deducted = len(still)
	seen := v
	if s := e.deduct(v); s != v.Snapshot {
		less := v.Of(s)
		seen = &less
	}
	out.Decision = e.decide(p, counts, seen, now)
	for _, k := range out.Kills {
		r := ruleOfName(p, k.Cause().Rule)
		e.shadowVictims = append(e.shadowVictims, shadowVictim{key: k.Key(), rule: r.Name, until: now.Add(max(r.For+r.Settle, minOutcome))})
	}
	e.dying = nil // it would have been gone by the next tick
	if len(out.Kills) > 0 {
		e.lastGone = now
	}
	return out
}

// minOutcome is the least time after which it is judged whether a shadow kill
// was needed.
const minOutcome = 10 * time.Second

// ruleOfName is the rule of that name, nil when it is not there any more.
func ruleOfName(p *policy.Policy, name string) *policy.Rule {
	i := slices.IndexFunc(p.Rules, func(r policy.Rule) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Rules[i]
}

// outcome says whether the rule cleared without the kill, once that is known.
func outcome(p *policy.Policy, v *signal.View, s *shadowVictim, gone bool, now time.Time) (o Outcome, known bool) {
	r := ruleOfName(p, s.rule)
	if s.until.IsZero() || r == nil {
		return o, false
	}
	o = Outcome{Key: s.key, Rule: r.Name}
	m := v.Read(r)
	o.Cleared = gone || v.Blind == "" && m.Value.OK() && m.Value.V <= r.Clear
	return o, o.Cleared || now.After(s.until)
}

// deduct is the snapshot without the shadow victims, with what is throttled at
// its limit. It is the snapshot itself when there is nothing to deduct.
func (e *engine) deduct(v *signal.View) *snapshot.Snapshot {
	limits := e.limits[policy.CPU]
	if len(e.shadowVictims) == 0 && len(limits) == 0 {
		return v.Snapshot
	}
	s := *v.Snapshot
	s.Containers = make([]snapshot.Container, 0, len(v.Snapshot.Containers))
	less := 0.0
	for i := range v.Snapshot.Containers {
		c := v.Snapshot.Containers[i]
		cores := v.Cores(&c)
		if slices.ContainsFunc(e.shadowVictims, func(s shadowVictim) bool { return s.key == c.Key }) {
			less += cores.V
			continue
		}
		if most := e.limitOf(policy.CPU, c.Key); most > 0 && cores.OK() && cores.V > most {
			less += cores.V - most
			c.CPU.Cores.V = most
		}
		s.Containers = append(s.Containers, c)
	}
	if s.Host.BusyCores.OK() {
		s.Host.BusyCores.V = max(0, s.Host.BusyCores.V-less)
	}
	return &s
}
