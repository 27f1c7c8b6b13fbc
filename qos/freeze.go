package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// frozen is a container that is frozen, or was since the ladder came to that
// rung: none is frozen twice.
type frozen struct {
	key   snapshot.Key
	res   policy.Resource
	since time.Time
}

// thawed is all with every one thawed, for good.
func thawed(all []frozen) []frozen {
	all = slices.Clone(all)
	for i := range all {
		all[i].since = time.Time{}
	}
	return all
}

// freeze stops one more container at each tick at which res is still short, and
// forgets them when the ladder has left that rung. It returns whether the first
// was frozen.
func (t *turn) freeze(res policy.Resource, a *asks) (acted bool) {
	e := t.e
	if e.ladders[res].rung < policy.Freeze || t.p.Ladder.FreezeFor == 0 {
		if slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.res == res }) {
			e.frozen = slices.DeleteFunc(slices.Clone(e.frozen), func(f frozen) bool { return f.res == res })
		}
		return false
	}
	if a.push < policy.Freeze || a.immediate && a.push > policy.Freeze {
		return false
	}
	for _, w := range t.weighed[res] {
		if !w.eligible() || slices.ContainsFunc(e.frozen, func(f frozen) bool { return f.key == w.Key }) {
			continue
		}
		e.frozen = append(slices.Clone(e.frozen), frozen{key: w.Key, res: res, since: t.now})
		e.ladders[res].acted = t.now
		first := !a.frozen
		a.frozen = true
		return first
	}
	return false
}

// isOn reports whether f is frozen now.
func (t *turn) isOn(f *frozen) bool { return t.now.Sub(f.since) < t.p.Ladder.FreezeFor }

// freezing reports whether any container is frozen for res.
func (t *turn) freezing(res policy.Resource) bool {
	return slices.ContainsFunc(t.e.frozen, func(f frozen) bool { return f.res == res && t.isOn(&f) })
}

// isFrozen reports whether k is frozen.
func (t *turn) isFrozen(k snapshot.Key) bool {
	return slices.ContainsFunc(t.e.frozen, func(f frozen) bool { return f.key == k && t.isOn(&f) })
}

// freezes is what is to be frozen now, in the order of the snapshot.
func (t *turn) freezes() (out []Victim) {
	if len(t.e.frozen) == 0 {
		return nil
	}
	for i := range t.v.Snapshot.Containers {
		c := &t.v.Snapshot.Containers[i]
		if !c.OnDisk || isInFlight(t.e.dying, c.Key) {
			continue
		}
		k := slices.IndexFunc(t.e.frozen, func(f frozen) bool { return f.key == c.Key && t.isOn(&f) })
		if k < 0 {
			continue
		}
		if victim, err := NewVictim(c, Cause{Rule: t.e.ladders[t.e.frozen[k].res].rule}); err == nil {
			out = append(out, victim)
		}
	}
	return out
}
