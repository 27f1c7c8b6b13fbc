package qos

import (
	"github.com/estimatord/estimatord/internal/snapshot"
)

// view is what one pass over a Snapshot gives every rule.
type view struct {
	s     *snapshot.Snapshot
	fresh Fresh
	// promises are those of the last offer.
	promises []Promise
	// before is the tick before; zero when there is none.
	before past
	// needs is what regular containers want and lack. heldBack counts the
	// containers that a quota of their own ever held back, nestedHeldBack: one of
	// them is nested.
	needs          needs
	heldBack       int
	nestedHeldBack bool
	// blind says why no rule can act, "" when they can.
	blind string
	// regularCores and revocableCores are the CPU use of the containers whose
	// reading is fresh; whatever is not revocable counts as regular.
	regularCores, revocableCores float64
	// unread counts containers on disk without a fresh reading.
	unread int
	// revocable counts containers that a rule could act on, regular those that
	// it could act for.
	revocable, regular int
}

// look makes the view of a tick of which the one before is not known.
func look(p *Policy, s *snapshot.Snapshot, promises []Promise) view {
	return lookAfter(past{}, p, s, promises)
}

// lookAfter makes the view. It is the only pass over the containers on a calm
// node, for all signals together, and allocates nothing unless an input is
// missing.
func lookAfter(before past, p *Policy, s *snapshot.Snapshot, promises []Promise) view {
	v := view{s: s, fresh: p.Fresh, promises: promises, before: before}
	age, reported := s.UsageAge()
	switch {
	case s.TreeWhy != snapshot.Present:
		v.blind = "the container tree could not be read (" + s.TreeWhy.String() + ")"
	case !reported:
		v.blind = "no agent has reported its usage yet"
	case !within(age, p.Fresh.Usage):
		v.blind = "the agent's report is " + string(appendSeconds(nil, age)) + " old, more than " + string(appendSeconds(nil, p.Fresh.Usage))
	}
	if reported && s.Usage.Dropped > 0 {
		v.regular++ // an executor that could not be decoded may well be regular
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if wasHeldBack(c) {
			v.heldBack++
			v.nestedHeldBack = v.nestedHeldBack || c.Parent != ""
		}
		if c.Parent != "" {
			continue // its use is in its parent's
		}
		revocable := c.Class() == snapshot.ClassRevocable
		if revocable && c.OnDisk {
			v.revocable++
		}
		if !revocable {
			v.regular++
		}
		cores := v.containerCores(c)
		v.needs.addAllocation(c)
		if c.Class() == snapshot.ClassRegular {
			v.need(c, cores)
		}
		if !c.OnDisk {
			continue
		}
		switch {
		case !cores.OK():
			v.unread++
		case revocable:
			v.revocableCores += cores.V
		default:
			v.regularCores += cores.V
		}
	}
	if v.nestedHeldBack {
		v.lookAgain()
	}
	return v
}

// lookAgain adds the needs up again, now that it is known that quotas of nested
// containers are behind some of the pressure of those at top level.
func (v *view) lookAgain() {
	v.needs = needs{}
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		if c.Parent != "" {
			continue
		}
		v.needs.addAllocation(c)
		if c.Class() == snapshot.ClassRegular {
			v.need(c, v.containerCores(c))
		}
	}
}

// usable is x unless it is no number to compare with: a present reading that
// is infinite, negative or not a number was never read like that.
func usable(x snapshot.Value) snapshot.Value {
	if x.OK() && (!finite(x.V) || x.V < 0) {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return x
}

// hostValue is a reading of the host, absent when it is too old.
func (v *view) hostValue(x snapshot.Value) snapshot.Value {
	if x.OK() && !within(v.s.At.Sub(v.s.Host.At), v.fresh.Sample) {
		return snapshot.Value{Why: snapshot.NotRead}
	}
	return usable(x)
}

// usableCPUs is how many CPUs can be used, or why it is not known.
func (v *view) usableCPUs() (float64, snapshot.Absence) {
	n := usable(v.s.Host.Usable())
	if n.OK() && n.V == 0 {
		return 0, snapshot.Malformed
	}
	return n.V, n.Why
}

// cpus is the number of CPUs of the whole machine, which is what its load
// average is about, or why it is not known.
func (v *view) cpus() (float64, snapshot.Absence) {
	switch n := v.s.Host.CPUs; {
	case !n.OK():
		return 0, n.Why
	case n.N == 0:
		return 0, snapshot.Malformed
	default:
		return float64(n.N), snapshot.Present
	}
}

// containerCores is a container's CPU use, absent when it is too old.
func (v *view) containerCores(c *snapshot.Container) snapshot.Value {
	if !c.OnDisk {
		return snapshot.Value{Why: snapshot.NotOnDisk}
	}
	if c.CPU.Cores.OK() && !within(v.s.At.Sub(c.At), v.fresh.Sample) {
		return snapshot.Value{Why: snapshot.NotRead}
	}
	cores := usable(c.CPU.Cores)
	if most := v.s.Host.CPUs; cores.OK() && most.OK() && cores.V > float64(most.N)*plausibleBusy {
		return snapshot.Value{Why: snapshot.Malformed} // more than the machine has
	}
	return cores
}

// use is how much a container uses of res, in cores or bytes, absent when it is
// too old.
func (v *view) use(c *snapshot.Container, res Resource) snapshot.Value {
	if res == CPU {
		return v.containerCores(c)
	}
	return v.workingSet(c)
}

// workingSet is a container's memory in bytes that it cannot give up without
// notice, absent when it is too old.
func (v *view) workingSet(c *snapshot.Container) snapshot.Value {
	switch w := c.Memory.UnreclaimableBytes; {
	case !c.OnDisk:
		return snapshot.Value{Why: snapshot.NotOnDisk}
	case !w.OK():
		return snapshot.Value{Why: w.Why}
	case !within(v.s.At.Sub(c.At), v.fresh.Sample):
		return snapshot.Value{Why: snapshot.NotRead}
	default:
		return usable(snapshot.ValueOf(float64(w.N)))
	}
}
