// Package demand says how much CPU a container wanted, where it shows that it
// did not get that much.
//
//	demand = max(usage, min(limit, usage + waited))
//
// A regular container that is squeezed uses less than it wants. Taking its use
// for its demand would turn the squeeze into slack, and hand out more of what
// squeezes it. So the time for which its tasks waited for a processor counts as
// wanted, up to what it was allocated; what its own quota made it wait for does
// not, since it would not get that on an idle node either.
//
// Invariants:
//   - Pure: no I/O, no clock, so that a replay decides alike.
//   - Demand is never below usage, and finite.
//   - Where the kernel does not tell all of the waiting (no PSI), a busy node is
//     no reason to believe that its containers want little: what they wanted
//     before holds for HoldFor.
package demand

import (
	"math"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Source says what a Demand was derived from.
type Source uint8

// What a demand was derived from.
const (
	// FromUsage: the container got what it asked for, or nothing says otherwise.
	FromUsage Source = iota
	// FromRunDelay: its threads' time on run queues was added.
	FromRunDelay
	// FromPressure: the kernel's CPU pressure was added.
	FromPressure
	// FromBefore: the node has no CPU left and the kernel does not tell all of
	// the waiting, so what it wanted before holds.
	FromBefore
)

var sourceNames = [...]string{
	FromUsage: "usage", FromRunDelay: "run_delay", FromPressure: "pressure", FromBefore: "before",
}

// String is the stable word for s.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "invalid"
}

// Demand is what a container wanted over the last sample.
type Demand struct {
	// Cores is at least the use, in cores.
	Cores float64
	// Waited is how much of it is not use, in cores.
	Waited float64
	Source Source
}

// leastUnstalled keeps the quotient of pressureWait finite: a container that
// waited all the time wants a hundred times what it got, that is to say its
// limit.
const leastUnstalled = 0.01

// Of is the demand of a container that uses used cores and is limited to limit
// (what it is allocated), with throttled being the rate of its ThrottledNanos
// in cores, absent when it is not known: then nothing is taken off.
//
// A waiting time comes, the first that is there, from
//
//   - CPU pressure p, 0 to 1: the share of time for which at least one of its
//     tasks waited (Documentation/accounting/psi.rst; cgroup v2).
//
//     p' = max(0, p − throttled)      waited = max(p', used·p'/(1 − p'))
//
//     p' itself is exact for one thread. With n threads that each run for a
//     share x of the time, p ≥ 1 − x and used = n·x, so that used/(1 − p) is at
//     least the n cores that they want. Pressure counts the time behind an
//     exhausted quota as waiting; throttled, summed over processors, is that
//     part of it: in a throttled period the container got all that it may have.
//
//   - run delay, in cores, 0 to the number of its threads: the seconds per
//     second for which they were runnable and did not run
//     (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat), without
//     what its quota held back; a lower bound, since threads are sampled.
//
//     waited = delay
//
// whole says that the waiting time is not a lower bound: nothing more can have
// been wanted.
func Of(c *snapshot.Container, used, limit float64, throttled snapshot.Value) (d Demand, whole bool) {
	own := 0.0
	if throttled.OK() {
		own = max(0, throttled.V)
	}
	switch p := c.Pressure.CPUSome; {
	case usable(p):
		stalled := max(0, min(1, p.V)-own)
		waited := max(stalled, used*stalled/max(leastUnstalled, 1-stalled))
		return add(used, waited, limit, FromPressure), true
	case usable(c.CPU.RunDelay):
		return add(used, c.CPU.RunDelay.V, limit, FromRunDelay), false
	}
	return Demand{Cores: used}, false
}

// usable refuses what no waiting time can be, whatever the sampler said of it.
func usable(v snapshot.Value) bool { return v.OK() && v.V >= 0 && !math.IsInf(v.V, 0) }

// add is the formula of the package.
func add(used, waited, limit float64, source Source) Demand {
	d := Demand{Cores: max(used, min(limit, used+waited)), Source: source}
	if d.Waited = d.Cores - used; d.Waited <= 0 {
		d.Waited, d.Source = 0, FromUsage
	}
	return d
}
