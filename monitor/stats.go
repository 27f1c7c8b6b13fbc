package monitor

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// Stats is what the last tick cost and what it could not read.
type Stats struct {
	// Took is the time of the whole Sample.
	Took time.Duration
	// Cost is the CPU time of it.
	Cost time.Duration
	// CostShare is the CPU time of sampling as a share of one core over the last
	// 10 s or more, and CostBudget what it may be.
	CostShare  snapshot.Value
	CostBudget float64
	// StatEvery is the number of ticks between two readings of memory.stat of a
	// container, and PressureEvery of its memory and I/O pressure (v2), as they
	// were in this tick. CostStretch is how much more that is than configured:
	// above 1 they are read less often, to stay within the budget.
	StatEvery, PressureEvery, CostStretch int
	// OverBudget: the cadence cannot be stretched further, and sampling costs
	// more than the budget all the same.
	OverBudget bool
	// Containers are those in the snapshot, OnDisk those of them with a cgroup.
	Containers, OnDisk int
	// HostFiles is the number of files read of /proc, Tree the work done in
	// the cgroup file system.
	HostFiles int
	Tree      cgroup.Work
	// OpenFiles is the number of descriptors kept, FileLimit how many may be.
	OpenFiles, FileLimit int
	// Absent counts readings of containers and of the host that are absent, by
	// reason. What only exists as a difference is not counted again.
	Absent [snapshot.NumAbsences]int
}

// Stats is about the last Sample.
func (m *Monitor) Stats() Stats { return m.stats }

func (s *Stats) fill(m *Monitor) {
	s.CostShare, s.CostBudget = m.budget.share, m.budget.limit
	s.StatEvery, s.PressureEvery = m.tree.Cadence()
	s.CostStretch, s.OverBudget = m.budget.stretch, m.budget.exceeded()
	s.HostFiles = m.host.Reads()
	s.Tree = m.tree.Work()
	s.OpenFiles = m.tree.OpenFiles() + m.host.OpenFiles() + m.delays.openFiles()
	s.FileLimit = m.files
}

func (s *Stats) count(c *snapshot.Container) {
	s.Containers++
	if c.OnDisk {
		s.OnDisk++
	}
	s.absent(
		c.CPU.UsageNanos.Why, c.CPU.Cores.Why, c.CPU.ThrottledNanos.Why,
		c.Memory.UsageBytes.Why, c.Memory.AnonBytes.Why, c.Memory.ReclaimableBytes.Why,
		c.Pids.Why,
		c.Pressure.CPUSome.Why, c.Pressure.MemorySome.Why, c.Pressure.IOSome.Why,
	)
}

func (s *Stats) countHost(h *snapshot.Host) {
	s.absent(
		h.UsableCPUs.Why, h.BusyCores.Why, h.Load5.Why, h.UsableMemBytes.Why, h.UsableMemAvailableBytes.Why,
		h.Pressure.CPUSome.Why, h.Pressure.MemorySome.Why, h.Pressure.IOSome.Why,
	)
}

func (s *Stats) absent(reasons ...snapshot.Absence) {
	for _, why := range reasons {
		if why != snapshot.Present {
			s.Absent[why]++
		}
	}
}
