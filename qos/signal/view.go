package signal

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// View is what one pass over a Snapshot gives every rule.
type View struct {
	Snapshot *snapshot.Snapshot
	// Blind is why no rule can act, "" when they can.
	Blind reason.Code
	Sums
	limits policy.Fresh
	// promises are those of the last offer.
	promises []Promise
	// before is the tick before; zero when there is none.
	before Past
	// needs is what regular containers want and lack.
	needs needs
	// demands are those of the containers, in their order; nil when they are not
	// known.
	demands []demand.Demand
}

// Sums are what rules are judged on, summed up over the containers at top level.
type Sums struct {
	// RegularCores and RevocableCores are the CPU use of the containers whose
	// reading is fresh; whatever is not revocable counts as regular.
	RegularCores   float64 `json:"regular_cores"`
	RevocableCores float64 `json:"revocable_cores"`
	// Revocable counts containers that a rule could act on, Regular those that
	// it could act for.
	Revocable int `json:"revocable_containers"`
	Regular   int `json:"regular_containers"`
	// Unread counts containers on disk without a fresh reading, UnreadRegular
	// those of them, and of those not on disk, that run regular tasks alone.
	Unread        int `json:"unread_containers,omitzero"`
	UnreadRegular int `json:"unread_regular_containers,omitzero"`
}

// Look makes the view of the tick after before, the zero Past when it is not
// known. demands are those of the containers, in their order. It is the only pass
// over the containers on a calm node, for all signals together, and allocates
// nothing.
func Look(before Past, limits policy.Fresh, s *snapshot.Snapshot, demands []demand.Demand, promises []Promise) View {
	v := View{Snapshot: s, limits: limits, promises: promises, before: before, demands: demands}
	age, reported := s.UsageAge()
	switch {
	case s.TreeWhy != snapshot.Present:
		v.Blind = reason.NoSamples
	case !reported:
		v.Blind = reason.NoAgent
	case !within(age, limits.Usage):
		v.Blind = reason.StaleUsage
	}
	if reported && s.Usage.Dropped > 0 {
		v.Regular++ // an executor that could not be decoded may well be regular
	}
	for i := range s.Containers {
		if s.Containers[i].Parent == "" { // else its use is in its parent's
			v.add(i)
		}
	}
	v.UnreadRegular = v.needs.containers - v.needs.read
	return v
}

// Of is the view of a snapshot of the same tick that lacks some of the
// containers.
func (v *View) Of(s *snapshot.Snapshot) View {
	demands := make([]demand.Demand, 0, len(s.Containers))
	at := 0
	for i := range v.demands {
		if at < len(s.Containers) && s.Containers[at].Key == v.Snapshot.Containers[i].Key {
			demands = append(demands, v.demands[i])
			at++
		}
	}
	return Look(v.before, v.limits, s, demands, v.promises)
}

// add adds the container i, which is at top level.
func (v *View) add(i int) {
	c := &v.Snapshot.Containers[i]
	revocable := c.Class() == snapshot.ClassRevocable
	switch {
	case !revocable:
		v.Regular++
	case c.OnDisk:
		v.Revocable++
	}
	cores := v.Cores(c)
	v.needs.addAllocation(c)
	if c.Class() == snapshot.ClassRegular {
		var d demand.Demand
		if i < len(v.demands) {
			d = v.demands[i]
		}
		v.need(c, &d, cores)
	}
	switch {
	case !c.OnDisk:
	case !cores.OK():
		v.Unread++
	case revocable:
		v.RevocableCores += cores.V
	default:
		v.RegularCores += cores.V
	}
}

// within reports whether an age is within its limit. One that is as much
// below zero comes from a clock that was set, and is not believed either.
func within(age, limit time.Duration) bool { return -limit <= age && age <= limit }

// fresh reports whether a sample of time at is recent enough to count.
func (v *View) fresh(at time.Time) bool { return within(v.Snapshot.At.Sub(at), v.limits.Sample) }

// usable is x unless it is no number to compare with: a present reading that
// is infinite, negative or not a number was never read like that.
func usable(x snapshot.Value) snapshot.Value {
	if x.OK() && (math.IsNaN(x.V) || math.IsInf(x.V, 0) || x.V < 0) {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return x
}

// hostValue is a reading of the host, absent when it is too old.
func (v *View) hostValue(x snapshot.Value) snapshot.Value {
	if x.OK() && !v.fresh(v.Snapshot.Host.At) {
		return snapshot.Value{Why: snapshot.NotRead}
	}
	return usable(x)
}

// UsableCPUs is how many CPUs can be used, or why it is not known.
func (v *View) UsableCPUs() (float64, snapshot.Absence) {
	n := usable(v.Snapshot.Host.Usable())
	if n.OK() && n.V == 0 {
		return 0, snapshot.Malformed
	}
	return n.V, n.Why
}

// Cores is a container's CPU use, absent when it is too old.
func (v *View) Cores(c *snapshot.Container) snapshot.Value {
	if !c.OnDisk {
		return snapshot.Value{Why: snapshot.NotOnDisk}
	}
	if c.CPU.Cores.OK() && !v.fresh(c.At) {
		return snapshot.Value{Why: snapshot.NotRead}
	}
	cores := usable(c.CPU.Cores)
	if most := v.Snapshot.Host.CPUs; cores.OK() && most.OK() && cores.V > float64(most.N)*plausibleBusy {
		return snapshot.Value{Why: snapshot.Impossible}
	}
	return cores
}

// Use is how much a container uses of res, in cores or bytes, absent when it is
// too old.
func (v *View) Use(c *snapshot.Container, res policy.Resource) snapshot.Value {
	if res == policy.CPU {
		return v.Cores(c)
	}
	return v.memoryUse(c)
}

// memoryUse is a container's memory in bytes that it cannot give up without
// notice, absent when it is too old.
func (v *View) memoryUse(c *snapshot.Container) snapshot.Value {
	switch w := c.Memory.UnreclaimableBytes; {
	case !c.OnDisk:
		return snapshot.Value{Why: snapshot.NotOnDisk}
	case !w.OK():
		return snapshot.Value{Why: w.Why}
	case !v.fresh(c.At):
		return snapshot.Value{Why: snapshot.NotRead}
	default:
		return snapshot.ValueOf(float64(w.N))
	}
}

// UseOf is what the container k of s uses of res, as rules count it; absent when
// it is too old or not in s.
func UseOf(limits policy.Fresh, s *snapshot.Snapshot, k snapshot.Key, res policy.Resource) snapshot.Value {
	c := s.Find(k)
	if c == nil {
		return snapshot.Value{}
	}
	v := View{Snapshot: s, limits: limits}
	return v.Use(c, res)
}
