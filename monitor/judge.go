package monitor

import (
	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// Readings are judged one by one where they are read (package kernel). Here they
// are judged together: the containers of a machine cannot use more than the
// machine has, or more than it says is used.

const (
	// busySlack and memorySlack are by how much the sum of all containers may be
	// above what the host says is used, as shares of the machine. They are read
	// some ms after the host, and many kernels count a host's busy time at the timer
	// tick, which misses tasks that run between two of them.
	busySlack   = 0.25
	memorySlack = 0.05
)

// machine is what bounds every container: what is there now, or was at the sample
// before. When it cannot be read, that of the last time stands.
func (m *Monitor) machine(h *snapshot.Host) cgroup.Machine {
	was := m.online
	if h.CPUs.OK() {
		m.online = float64(h.CPUs.N)
	}
	if h.MemTotalBytes.OK() {
		m.memBytes = h.MemTotalBytes.N
	}
	return cgroup.Machine{Processors: max(m.online, was), MemBytes: m.memBytes}
}

// judge compares the containers of s with their host.
func (m *Monitor) judge(s *snapshot.Snapshot, machine cgroup.Machine) {
	var cores float64
	var usage, unreclaimable uint64
	for i := range s.Containers {
		if c := &s.Containers[i]; c.Parent == "" {
			cores += c.CPU.Cores.V // 0 when absent
			usage += c.Memory.UsageBytes.N
			unreclaimable += c.Memory.UnreclaimableBytes.N
		}
	}
	h := &s.Host
	if p := machine.Processors; p > 0 {
		// What the kernel adds late counts more, the shorter the tick was.
		slack := busySlack
		if before := &m.turns[(m.seq+1)%2]; s.Uptime > before.Uptime {
			slack += float64(kernel.CPULimit(p).Late) / float64(s.Uptime-before.Uptime)
		}
		switch busy := m.host.Busy(); {
		case cores > p*(1+kernel.Tolerance+slack):
			refuseCPU(s.Containers)
		case busy.OK() && cores > busy.V*(1+kernel.Tolerance)+p*slack:
			// Each can be true, but not with that of the host.
			h.BusyCores = snapshot.Value{Why: snapshot.Impossible}
		}
	}
	if !kernel.AtMost(snapshot.CountOf(usage), machine.MemBytes).OK() {
		refuseMemory(s.Containers)
		return
	}
	if h.UsableMemUsedBytes.OK() && h.MemTotalBytes.OK() &&
		float64(unreclaimable) > float64(h.UsableMemUsedBytes.N)*(1+kernel.Tolerance)+float64(h.MemTotalBytes.N)*memorySlack {
		absent := snapshot.Count{Why: snapshot.Impossible}
		h.MemAvailableBytes, h.UsableMemAvailableBytes, h.UsableMemUsedBytes = absent, absent, absent
	}
}

// refuseCPU makes the CPU use of all containers absent: which of them is wrong
// cannot be told.
func refuseCPU(list []snapshot.Container) {
	for i := range list {
		if cpu := &list[i].CPU; cpu.Cores.OK() {
			cpu.Cores = snapshot.Value{Why: snapshot.Impossible}
			cpu.UsageNanos = snapshot.Count{Why: snapshot.Impossible}
		}
	}
}

// refuseMemory does the same with what they use of the memory.
func refuseMemory(list []snapshot.Container) {
	for i := range list {
		if m := &list[i].Memory; m.UsageBytes.OK() {
			m.UsageBytes = snapshot.Count{Why: snapshot.Impossible}
			m.UnreclaimableBytes = m.UsageBytes
		}
	}
}
