package signal

import (
	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// needs is what regular containers use, want and wait for, from the pass that
// Look makes. Only what runs regular tasks alone counts: of one that the agent
// does not list, or that runs revocable tasks as well, it is not known who of
// it waits.
//
// Sums and maxima are over those that can be read, so they are lower bounds:
// what cannot be read never makes a signal high.
type needs struct {
	// containers is how many there are; read of how many the CPU use is known;
	// told of how many of these it is known how long they waited; psi, how many
	// have CPU pressure of their own or should have.
	containers, read, told, psi int
	// used and wanted are the CPU use and the demand of those that are read, in
	// cores.
	used, wanted float64
	// allocated is what the agent allocated as regular CPUs, overhead what part
	// of it belongs to containers that are not regular.
	allocated, overhead float64
	// why is why the use of the last one that is not read is absent.
	why snapshot.Absence
	// pressed and delayed are shares of time and of demand for which one waited
	// for a CPU; stalled is a share of time for which all of one waited for
	// memory; filled is memory that cannot be dropped ÷ allocation.
	pressed, delayed, stalled, filled worst
	// fast is what the fast sampler's last poll says of the container that it
	// found contended.
	fast snapshot.Value
}

// worst is the highest reading of one kind among containers.
type worst struct {
	value float64
	id    string
	// judged is how many could be read, absent how many could not, why why the
	// last of these could not.
	judged, absent int
	why            snapshot.Absence
}

// add takes one container's reading.
func (w *worst) add(x snapshot.Value, id string) {
	if !x.OK() {
		w.why = x.Why
		w.absent++
		return
	}
	w.judged++
	if x.V > w.value {
		w.value, w.id = x.V, id
	}
}

// reading is the highest, absent when none could be read.
func (w *worst) reading() snapshot.Value {
	if w.judged == 0 {
		return snapshot.Value{Why: w.why}
	}
	return snapshot.ValueOf(w.value)
}

// plausibleShare is how far above one a share of time may read: its counter and
// the clock are not read in one instant.
const plausibleShare = 1.1

// shareOf is a share of time, 0 to 1.
func shareOf(x snapshot.Value) snapshot.Value {
	if x = usable(x); x.OK() {
		if x.V > plausibleShare {
			return snapshot.Value{Why: snapshot.Malformed}
		}
		x.V = min(1, x.V)
	}
	return x
}

// leastWanted, in cores, is what a container must want before the share that
// it does not get counts: a tenth of a core is also what the fast sampler asks
// for. (Serenity and CPI² ignore what uses less than a quarter.)
const leastWanted = 0.1

// need adds one regular container at top level, whose demand is d and whose CPU
// use is cores.
func (v *View) need(c *snapshot.Container, d *demand.Demand, cores snapshot.Value) {
	n := &v.needs
	n.containers++
	given := c.Executor.Regular.Get(resources.CPUs).Float()
	if c.OnDisk && c.Pressure.CPUSome.Why != snapshot.NoFile {
		n.psi++
	}
	switch {
	case !c.OnDisk:
		n.unread(snapshot.NotOnDisk)
		n.unreadMemory(snapshot.NotOnDisk)
		return
	case !v.fresh(c.At):
		n.unread(snapshot.NotRead)
		n.unreadMemory(snapshot.NotRead)
		return
	}
	v.needMemory(c)
	if !cores.OK() {
		n.unread(cores.Why)
		return
	}
	n.read++
	n.used += cores.V
	n.wanted += v.needCPU(c, d, cores.V, given)
}

// addAllocation adds what the agent allocated to a container at top level.
func (n *needs) addAllocation(c *snapshot.Container) {
	if c.Executor == nil {
		return
	}
	given := c.Executor.Regular.Get(resources.CPUs).Float()
	n.allocated += given
	if c.Class() != snapshot.ClassRegular {
		n.overhead += given
	}
}

func (n *needs) unread(why snapshot.Absence) {
	n.why = why
	n.pressed.add(snapshot.Value{Why: why}, "")
	n.delayed.add(snapshot.Value{Why: why}, "")
}

func (n *needs) unreadMemory(why snapshot.Absence) {
	n.stalled.add(snapshot.Value{Why: why}, "")
	n.filled.add(snapshot.Value{Why: why}, "")
}

// needCPU adds how long c waited for a CPU and returns its demand, in cores.
//
// One that uses all of its allocation waits for more than that, which does not
// count.
func (v *View) needCPU(c *snapshot.Container, d *demand.Demand, used, given float64) float64 {
	n := &v.needs
	wanted := used
	if d.Waited.OK() {
		n.told++
		wanted += d.Waited.V
	}
	if q := &v.Snapshot.Contention; q.State == snapshot.ContentionContended && q.Container == c.ID {
		n.fast = v.fastOf(d, used < given)
	}
	pressure := shareOf(c.Pressure.CPUSome)
	switch {
	case !pressure.OK():
	case !d.ThrottledRate.OK():
		pressure = snapshot.Value{Why: d.ThrottledRate.Why}
	case wanted == used:
		pressure.V = 0
	default:
		pressure.V = max(0, pressure.V-d.ThrottledRate.V)
	}
	delay := usable(c.CPU.RunDelay)
	switch {
	case !delay.OK():
	case delay.V > maxLoad:
		delay = snapshot.Value{Why: snapshot.Malformed}
	default:
		delay.V = 0
		if !c.Pressure.CPUSome.OK() && wanted >= leastWanted {
			delay.V = (wanted - used) / wanted
		}
	}
	n.pressed.add(pressure, c.ID)
	n.delayed.add(delay, c.ID)
	return wanted
}

// ownLimit is the share of its memory allocation from which on a container's
// pressure is taken for its own limit's.
const ownLimit = 0.95

// needMemory adds how full c's allocation of memory is, and its pressure.
func (v *View) needMemory(c *snapshot.Container) {
	n := &v.needs
	stalled := shareOf(c.Pressure.MemoryFull)
	given := c.Executor.Regular.Get(resources.Mem).Float() * resources.MemUnitBytes
	if given > 0 {
		set := v.memoryUse(c)
		if most := v.Snapshot.Host.MemTotalBytes; set.OK() && most.OK() && set.V > float64(most.N)*plausibleShare {
			set = snapshot.Value{Why: snapshot.Malformed}
		}
		if set.OK() {
			set.V /= given
		}
		n.filled.add(set, c.ID)
		switch {
		case !stalled.OK():
		case !set.OK():
			stalled = snapshot.Value{Why: set.Why}
		case set.V >= ownLimit:
			stalled.V = 0
		}
	}
	n.stalled.add(stalled, c.ID)
}

// wait is how much CPU regular containers want and do not get, in cores.
func (n *needs) wait() float64 { return max(0, n.wanted-n.used) }

// contended is the share of the usable CPUs that must be busy before a task
// that waits is taken to wait because of others. On a node with more than that
// idle, waiting is of a container's own making: its quota's, or that of threads
// which are bound to few CPUs. (OpenShift's descheduler ignores pressure below
// the same 70 %.)
const contended = 0.7

// isContended reports whether busy of cpus is that much.
func isContended(busy, cpus float64) bool { return busy >= contended*cpus }
