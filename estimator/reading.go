package estimator

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// reading is how a resource is read off a snapshot, in its unit.
type reading struct {
	name string
	// container is what a container uses now, why why that is not known.
	container func(c *snapshot.Container) (used float64, ok bool)
	why       func(c *snapshot.Container) snapshot.Absence
	// host is what the whole node uses, and how much it has.
	host func(h *snapshot.Host) (used, size float64, ok bool)
	// waits: who does not get it waits for it, so that demand can be above use.
	waits bool
}

// readings lists every resource that can be estimated.
func readings() []reading {
	return []reading{
		{name: resources.CPUs, container: coresOf, why: func(c *snapshot.Container) snapshot.Absence { return c.CPU.Cores.Why }, host: hostCores, waits: true},
		{name: resources.Mem, container: memoryOf, why: func(c *snapshot.Container) snapshot.Absence { return c.Memory.UnreclaimableBytes.Why }, host: hostMemory},
	}
}

func coresOf(c *snapshot.Container) (float64, bool) { return finite(c.CPU.Cores.V, c.CPU.Cores.OK()) }

// hostCores is of the processors that can be used: where a cpuset or a quota
// leaves the agent less than the machine has, the rest is none of its own.
func hostCores(h *snapshot.Host) (used, size float64, ok bool) {
	size, ok = finite(h.Usable().V, h.Usable().OK())
	used, ok = finite(h.BusyCores.V, ok && h.BusyCores.OK())
	return used, size, ok
}

// memoryOf is what c cannot give up without notice, the kind of memory that
// MemAvailable leaves out: page cache, whether it was used lately or not, is in
// neither, so that one can be taken from the other.
func memoryOf(c *snapshot.Container) (float64, bool) {
	w := c.Memory.UnreclaimableBytes
	return float64(w.N) / resources.MemUnitBytes, w.OK()
}

// hostMemory is of the memory that can be used: where a limit around the agent
// leaves it less than the machine has, the rest is none of its own.
func hostMemory(h *snapshot.Host) (used, size float64, ok bool) {
	t, a := h.UsableMemory()
	total, available := float64(t.N), float64(a.N)
	return max(0, total-available) / resources.MemUnitBytes, total / resources.MemUnitBytes, t.OK() && a.OK()
}

// finite refuses what no use can be, whatever the sampler said of it.
func finite(v float64, ok bool) (float64, bool) {
	return v, ok && v >= 0 && !math.IsInf(v, 0)
}

// isLapse reports whether a reading that is absent for that reason is usually
// there again at the next tick.
func isLapse(why snapshot.Absence) bool {
	switch why {
	case snapshot.Impossible, snapshot.Backwards, snapshot.NoTime, snapshot.Malformed, snapshot.Truncated, snapshot.Failed:
		return true
	}
	return false
}

// fresh reports whether a reading of time at is near enough to now, on either
// side: one from the future tells of a clock that was set.
func fresh(now, at time.Time, limit time.Duration) bool {
	age := now.Sub(at)
	return age <= limit && age >= -limit
}

// blind says what is missing for an estimate of anything, "" when nothing is.
func (c *UsageConfig) blind(s *snapshot.Snapshot) reason.Code {
	switch {
	case s.Usage == nil:
		return reason.NoAgent
	case !fresh(s.At, s.Usage.At, c.ReportStaleAfter):
		return reason.StaleUsage
	case s.TreeWhy != snapshot.Present:
		return reason.NoSamples
	}
	return ""
}

// blindHost says what is missing of the host for this resource, "" when
// nothing is.
func (c *UsageConfig) blindHost(r *reading, s *snapshot.Snapshot) reason.Code {
	if _, _, ok := r.host(&s.Host); !ok {
		return reason.NoHost
	}
	if !fresh(s.At, s.Host.At, c.SampleStaleAfter) {
		return reason.StaleSamples
	}
	return ""
}
