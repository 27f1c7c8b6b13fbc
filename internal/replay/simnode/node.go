// Package simnode is a simulated node: what a policy throttles and kills, and
// what an estimator offers, changes what the next snapshot says. Replay runs the
// whole loop on it; and the tests of this package tell stories of minutes on it,
// which prove how the ladder behaves and are the plots of docs/evidence/ladder.md.
//
// The model, one step per tick:
//
//   - The CPUs are shared by weight and without waste: each container gets the
//     most that is fair (max-min), no more than it wants and no more than its
//     quota.
//   - A throttle is in force from the tick after the decision on.
//   - A container that was killed uses what it can get until it is gone.
//   - A regular container waits for the share of its demand that it does not get,
//     and where more is wanted than there are CPUs, for a slice of those that run
//     just now: pressure = max(1 − used/wanted, slice·contention), where contention
//     is the share of what is wanted that is more than the CPUs.
//   - Load averages are those of the kernel, of what is wanted.
//
// It is deterministic, and no test of how the kernel shares CPUs:
// docs/evidence/contention.md is measured on one.
package simnode

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// lowWeight is that of a container whose weight a throttle has taken.
const lowWeight = 2

// Node is one simulated node with cgroup v2.
type Node struct {
	// CPUs is its size, Outside what runs outside the containers, in cores.
	CPUs, Outside float64
	// Slice is the share of time that a task waits, when it wakes, for those
	// that run, where twice as much is wanted as there is.
	Slice float64
	// Reserved is what of it is reserved to each role, in cores.
	Reserved map[string]float64
	// Regular and Revocable are its containers.
	Regular, Revocable []*Container
	seq                uint64
	loads              [3]float64
}

// Container is one container.
type Container struct {
	ID    string
	Since time.Time
	// Role is whose reservation Allocated is of, "" for none.
	Role string
	// Allocated is what it was given, Wants what it would use on an idle node,
	// in cores.
	Allocated, Wants float64
	// Weight is its part where there is not enough for all.
	Weight float64
	// Got is what it uses, in cores, Pressure the share of time that it waits.
	Got, Pressure float64

	limited, low, frozen bool
	limit                float64   // in cores, when limited
	killed, gone         time.Time // zero: it was not killed
	usedNanos            uint64
	stalledMicros        uint64
}

// demand is what it would use under its throttle.
func (c *Container) demand() float64 {
	switch {
	case c.frozen:
		return 0
	case c.limited:
		return min(c.Wants, c.limit)
	}
	return c.Wants
}

// Share hands out the CPUs for the time elapsed.
func (n *Node) Share(elapsed time.Duration) {
	all := slices.Concat(n.Regular, n.Revocable)
	size := n.CPUs - n.Outside
	share(size, all)
	total := 0.0
	for _, c := range all {
		total += c.demand()
	}
	for _, c := range all {
		c.Pressure = 0
		if c.Wants > 0 {
			c.Pressure = max(1-c.Got/c.Wants, n.Slice*min(1, max(0, total/size-1)))
		}
		c.usedNanos += uint64(c.Got * float64(elapsed.Nanoseconds()))
		c.stalledMicros += uint64(c.Pressure * float64(elapsed.Microseconds()))
	}
	for i, span := range [...]float64{60, 300, 900} {
		keep := math.Exp(-elapsed.Seconds() / span)
		n.loads[i] = n.loads[i]*keep + total*(1-keep)
	}
}

// share hands size cores out by weight: whoever wants less than its fair share
// gets what it wants, and the rest is shared among the others.
func share(size float64, all []*Container) {
	weight := func(c *Container) float64 {
		if c.low {
			return lowWeight
		}
		return c.Weight
	}
	order := slices.Clone(all)
	weights := 0.0
	for _, c := range all {
		weights += weight(c)
	}
	slices.SortStableFunc(order, func(a, b *Container) int { return cmp.Compare(a.demand()/weight(a), b.demand()/weight(b)) })
	for _, c := range order {
		c.Got = min(c.demand(), size*weight(c)/weights)
		size -= c.Got
		weights -= weight(c)
	}
}

// Apply carries out what was decided, and nothing else.
func (n *Node) Apply(a qos.Actions) {
	for _, c := range n.Revocable {
		c.limited, c.low, c.frozen = false, false, false
		for _, t := range a.Throttles {
			if t.Victim.Key().ID == c.ID {
				c.limit, c.limited, c.low = t.Cores, t.Cores > 0, t.LowWeight
			}
		}
		c.frozen = slices.ContainsFunc(a.Freezes, func(v qos.Victim) bool { return v.Key().ID == c.ID })
	}
}

// Kill has the container gone at that time, and reports whether it was alive.
func (n *Node) Kill(id string, now, gone time.Time) bool {
	for _, c := range n.Revocable {
		if c.ID == id && c.killed.IsZero() {
			c.killed, c.gone = now, gone
			return true
		}
	}
	return false
}

// Remove removes those that are gone by now.
func (n *Node) Remove(now time.Time) {
	n.Revocable = slices.DeleteFunc(n.Revocable, func(c *Container) bool { return !c.killed.IsZero() && !c.gone.After(now) })
}

// InFlight are those that were killed and are not gone.
func (n *Node) InFlight() (out []qos.InFlight) {
	for _, c := range n.Revocable {
		if !c.killed.IsZero() {
			out = append(out, qos.InFlight{Key: c.key(), Since: c.killed})
		}
	}
	return out
}

// Contended reports whether more is wanted than there is by those that have a
// weight, and some revocable container takes its part of that.
func (n *Node) Contended() bool {
	sum, taken := 0.0, false
	for _, c := range n.Regular {
		sum += c.Wants
	}
	for _, c := range n.Revocable {
		if !c.low {
			sum += c.demand()
			taken = taken || c.demand() > 0
		}
	}
	return taken && sum > n.CPUs-n.Outside+1e-9
}

// Used is what the containers use, in cores.
func Used(all []*Container) (sum float64) {
	for _, c := range all {
		sum += c.Got
	}
	return sum
}

func (c *Container) key() snapshot.Key { return snapshot.Key{ID: c.ID, Inode: 1} }

// Snapshot is the node as the monitor and the agent would have it.
func (n *Node) Snapshot(now time.Time) *snapshot.Snapshot {
	n.seq++
	u := &snapshot.Usage{At: now, Agent: "simulated", Total: cpus(n.CPUs)}
	s := &snapshot.Snapshot{
		Seq: n.seq, At: now, TreeWhy: snapshot.Present, Usage: u,
		Host: snapshot.Host{
			At: now, CPUs: snapshot.CountOf(uint64(n.CPUs)), BusyCores: snapshot.ValueOf(n.Outside + Used(n.Regular) + Used(n.Revocable)),
			Load1: snapshot.ValueOf(n.loads[0]), Load5: snapshot.ValueOf(n.loads[1]), Load15: snapshot.ValueOf(n.loads[2]),
		},
	}
	u.Executors = make([]snapshot.Executor, 0, len(n.Regular)+len(n.Revocable))
	add := func(c *Container, e snapshot.Executor) *snapshot.Container {
		e.ContainerID, e.ExecutorID, e.HasStatistics = c.ID, c.ID, true
		e.Tasks = []snapshot.Task{{ID: c.ID, Regular: e.Regular, Revocable: e.Revocable}}
		u.Executors = append(u.Executors, e)
		s.Containers = append(s.Containers, snapshot.Container{
			Key: c.key(), OnDisk: true, FirstSeen: c.Since, At: now, Executor: &u.Executors[len(u.Executors)-1],
			CPU: snapshot.CPU{Cores: snapshot.ValueOf(c.Got), UsageNanos: snapshot.CountOf(c.usedNanos), ThrottledNanos: snapshot.CountOf(0)},
		})
		return &s.Containers[len(s.Containers)-1]
	}
	for _, c := range n.Regular {
		one := add(c, snapshot.Executor{FrameworkID: "regular", Class: snapshot.ClassRegular, Regular: cpus(c.Allocated)})
		one.Pressure.CPUSome, one.Pressure.CPUSomeMicros = snapshot.ValueOf(c.Pressure), snapshot.CountOf(c.stalledMicros)
	}
	for _, c := range n.Revocable {
		add(c, snapshot.Executor{FrameworkID: "best-effort", Class: snapshot.ClassRevocable, Revocable: cpus(c.Allocated)})
	}
	u.Reservations = n.reservations()
	slices.SortFunc(s.Containers, func(a, b snapshot.Container) int { return strings.Compare(a.ID, b.ID) })
	return s
}

// reservations are what the roles have, and have allocated.
func (n *Node) reservations() (all []snapshot.Reservation) {
	for _, role := range slices.Sorted(maps.Keys(n.Reserved)) {
		allocated := 0.0
		for _, c := range n.Regular {
			if c.Role == role {
				allocated += c.Allocated
			}
		}
		all = append(all, snapshot.Reservation{Role: role, Reserved: cpus(n.Reserved[role]), Allocated: cpus(allocated)})
	}
	return all
}

func cpus(amount float64) resources.Quantities {
	return resources.Quantities{{Name: resources.CPUs, Amount: resources.FloorMilli(amount)}}
}
