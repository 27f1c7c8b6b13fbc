// Package demand says how much CPU a container wanted, where it shows that it
// did not get that much.
//
//	demand = max(usage, min(limit, usage + waited))
//
// A regular container under contention uses less than it wants. Taking its use
// for its demand would turn contention into slack, and hand out more of what
// causes it. So the time for which its tasks waited for a processor counts as
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

// Demand is what a container wanted over the last sample. The zero Demand is of
// one that was not judged: its use is not known, or it is not a regular one at
// top level.
type Demand struct {
	// Cores is at least the use, in cores.
	Cores float64
	// Source is what Cores was derived from.
	Source Source
	// Waited is how much it was seen to want beyond its use, in cores; absent
	// where the kernel does not tell, or not how much of that was its own quota's.
	Waited snapshot.Value
	// Throttled is for how long quotas of its own throttled it since the sample
	// before, in s, summed over processors: its own, and those of the containers
	// nested in it. ThrottledRate is that per second, where there is pressure.
	Throttled, ThrottledRate snapshot.Value
}

// leastUnstalled keeps the quotient of pressureWait finite: a container that
// waited all the time wants a hundred times what it got, that is to say its
// limit.
const leastUnstalled = 0.01

// mostThreads is how many threads can wait at most (PID_MAX_LIMIT,
// include/linux/threads.h).
const mostThreads = 4 << 20

// mostPressure is the highest share of time that can be read: its counter and the
// clock are not read in one instant.
const mostPressure = 1.1

// of is the demand of a container that uses used cores and is limited to limit
// (what it is allocated), with throttled being the rate at which quotas throttled
// it, in cores, absent when it is not known: then nothing is taken off Cores,
// which may be too high, and Waited is absent.
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
//     its quota's throttling; a lower bound, since threads are sampled.
//
//     waited = delay
func of(c *snapshot.Container, used, limit float64, throttled snapshot.Value) Demand {
	waited, source := snapshot.Value{Why: c.CPU.RunDelay.Why}, FromUsage
	if waited.OK() {
		waited.Why = snapshot.Impossible
	}
	own := 0.0
	if throttled.OK() {
		own = max(0, throttled.V)
	}
	switch p := c.Pressure.CPUSome; {
	case usable(p):
		stalled := max(0, min(1, p.V)-own)
		waited, source = snapshot.ValueOf(max(stalled, used*stalled/max(leastUnstalled, 1-stalled))), FromPressure
	case usable(c.CPU.RunDelay) && c.CPU.RunDelay.V <= mostThreads:
		waited, source = c.CPU.RunDelay, FromRunDelay
	}
	d := Demand{Cores: used, Waited: waited, ThrottledRate: throttled}
	if waited.OK() {
		d.Cores = max(used, min(limit, used+waited.V))
		d.Waited.V = d.Cores - used
	}
	if d.Cores > used {
		d.Source = source
	}
	switch {
	case source != FromPressure:
	case !throttled.OK():
		d.Waited = snapshot.Value{Why: throttled.Why}
	case c.Pressure.CPUSome.V > mostPressure:
		d.Waited = snapshot.Value{Why: snapshot.Impossible}
	}
	return d
}

// usable refuses what no waiting time can be, whatever the sampler said of it.
func usable(v snapshot.Value) bool { return v.OK() && v.V >= 0 && !math.IsInf(v.V, 0) }
