package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// frozen is a container that is frozen, or was since the ladder came to that
// rung: none is frozen twice.
type frozen struct {
	key   snapshot.Key
	res   policy.Resource
	since time.Time
}

// freeze stops one more container at each tick at which res is still short, and
// forgets them when the ladder has left that rung. It returns whether the first
// was frozen.
func (e *engine) freeze(p *policy.Policy, v *signal.View, res policy.Resource, a *asks, ws []*weighed) (acted bool) {
	if e.ladders[res].rung < policy.Freeze || p.Ladder.FreezeFor == 0 {
		if slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.res == res }) {
			e.frozen = slices.DeleteFunc(slices.Clone(e.frozen), func(f frozen) bool { return f.res == res })
		}
		return false
	}
	if a.push < policy.Freeze || a.immediate && a.push > policy.Freeze {
		return false
	}
	for _, w := range ws {
		if !w.eligible() || slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.key == w.Key }) {
			continue
		}
		e.frozen = append(slices.Clone(e.frozen), frozen{key: w.Key, res: res, since: v.Snapshot.At})
		e.ladders[res].acted = v.Snapshot.At
		first := !a.frozen
		a.frozen = true
		return first
	}
	return false
}

// freezing reports whether any container is frozen for res at time now.
func (e *engine) freezing(p *policy.Policy, res policy.Resource, now time.Time) bool {
	return slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.res == res && f.on(p, now) })
}

// isFrozen reports whether k is frozen at time now.
func (e *engine) isFrozen(k snapshot.Key, now time.Time, p *policy.Policy) bool {
	return slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.key == k && f.on(p, now) })
}

// on reports whether f is frozen at time now. A time that lies in the future is
// that of a clock that was set back (follow), and how long it was frozen is not
// known.
func (f *frozen) on(p *policy.Policy, now time.Time) bool {
	return !f.since.IsZero() && now.Sub(f.since) < p.Ladder.FreezeFor
}

// thawFuture ends what was frozen in the future of a clock that was set back.
func (e *engine) thawFuture(now time.Time) {
	if !slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.since.After(now) }) {
		return
	}
	e.frozen = slices.Clone(e.frozen)
	for i := range e.frozen {
		if e.frozen[i].since.After(now) {
			e.frozen[i].since = noTime
		}
	}
}

// freezes is what is to be frozen now, in the order of the snapshot.
func (e *engine) freezes(p *policy.Policy, v *signal.View, inFlight []InFlight) (out []Victim) {
	if len(e.frozen) == 0 {
		return nil
	}
	for i := range v.Snapshot.Containers {
		c := &v.Snapshot.Containers[i]
		if !c.OnDisk || isInFlight(inFlight, c.Key) {
			continue
		}
		k := slices.IndexFunc(e.frozen, func(f frozen) bool { return f.key == c.Key && f.on(p, v.Snapshot.At) })
		if k < 0 {
			continue
		}
		if victim, err := NewVictim(c, Cause{Rule: e.ladders[e.frozen[k].res].rule}); err == nil {
			out = append(out, victim)
		}
	}
	return out
}
