package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/snapshot"
)

// frozen is a container that is frozen, or was since the ladder came to that
// rung: none is frozen twice.
type frozen struct {
	key   snapshot.Key
	res   Resource
	since time.Time
}

// freeze stops one more container at each tick at which res is still short, and
// forgets them when the ladder has left that rung. It returns whether one was
// frozen.
func (e *engine) freeze(p *Policy, v *view, res Resource, a *asks, ws []*weighed) (acted bool) {
	if e.ladders[res].rung < Freeze || p.Ladder.FreezeFor == 0 || e.ladders[res].limit == 0 && a.immediate && a.push > Freeze {
		if slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.res == res }) {
			e.frozen = slices.DeleteFunc(slices.Clone(e.frozen), func(f frozen) bool { return f.res == res })
		}
		return false
	}
	if a.push < Freeze {
		return false
	}
	for _, w := range ws {
		if !w.eligible() || slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.key == w.Key }) {
			continue
		}
		e.frozen = append(slices.Clone(e.frozen), frozen{key: w.Key, res: res, since: v.s.At})
		return true
	}
	return false
}

// isFrozen reports whether k is frozen at time now.
func (e *engine) isFrozen(k snapshot.Key, now time.Time, p *Policy) bool {
	return slices.ContainsFunc(e.frozen, func(f frozen) bool {
		age := now.Sub(f.since)
		return f.key == k && age >= 0 && age < p.Ladder.FreezeFor
	})
}

// freezes is what is to be frozen now, in the order of the snapshot.
func (e *engine) freezes(p *Policy, v *view, inFlight []InFlight, cause Cause) (out []Victim) {
	if len(e.frozen) == 0 {
		return nil
	}
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		if !c.OnDisk || isDying(inFlight, c.Key) || !e.isFrozen(c.Key, v.s.At, p) {
			continue
		}
		if victim, err := NewVictim(c, cause); err == nil {
			out = append(out, victim)
		}
	}
	return out
}
