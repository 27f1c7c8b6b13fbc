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
	// container is what a container uses now.
	container func(c *snapshot.Container) snapshot.Value
	// host is what the whole node uses, and how much it has.
	host func(h *snapshot.Host) (used, size float64, ok bool)
	// waits: who does not get it waits for it, so that demand can be above use.
	waits bool
}

// readings lists every resource that can be estimated.
func readings() []reading {
	return []reading{
		{name: resources.CPUs, container: coresOf, host: hostCores, waits: true},
		{name: resources.Mem, container: memoryOf, host: hostMemory},
	}
}

func coresOf(c *snapshot.Container) snapshot.Value { return finite(c.CPU.Cores) }

// hostCores is of the processors that can be used: where a cpuset or a quota
// leaves the agent less than the machine has, the rest is none of its own.
func hostCores(h *snapshot.Host) (used, size float64, ok bool) {
	busy, usable := finite(h.BusyCores), finite(h.Usable())
	return busy.V, usable.V, busy.OK() && usable.OK()
}

// memoryOf is what c cannot give up without notice, the kind of memory that
// MemAvailable leaves out: page cache, whether it was used lately or not, is in
// neither, so that one can be taken from the other.
func memoryOf(c *snapshot.Container) snapshot.Value {
	n := c.Memory.UnreclaimableBytes
	return snapshot.Value{V: float64(n.N) / resources.MemUnitBytes, Why: n.Why}
}

// hostMemory is of the memory that can be used: where a limit around the agent
// leaves it less than the machine has, the rest is none of its own.
func hostMemory(h *snapshot.Host) (used, size float64, ok bool) {
	t, _ := h.UsableMemory()
	u := h.UsedMemory()
	return float64(u.N) / resources.MemUnitBytes, float64(t.N) / resources.MemUnitBytes, t.OK() && u.OK()
}

// finite refuses what no use can be, whatever the sampler said of it.
func finite(v snapshot.Value) snapshot.Value {
	if v.OK() && !(v.V >= 0 && !math.IsInf(v.V, 0)) {
		return snapshot.Value{Why: snapshot.Impossible}
	}
	return v
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
