// Package snapshot holds one consistent picture of the node per tick: what the
// kernel says of every container and of the host, joined with what the agent
// says is allocated. monitor and agentapi fill it, estimator and qos read it.
//
// Invariants:
//   - A reading is present or it carries the reason of its absence; the zero
//     value is absent. Nothing is interpolated.
//   - A container's identity is its Key: Mesos container id and cgroup inode. A
//     reused name is another container.
//   - A Snapshot does not change once it is made. Its Containers slice is valid
//     until the tick after next, since the monitor keeps two and swaps them.
//     Whoever needs it for longer copies it.
//   - This package does no I/O and reads no clock.
package snapshot

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is the node at one tick.
type Snapshot struct {
	// Seq counts the ticks since the daemon started, from 1.
	Seq uint64 `json:"seq"`
	// At is the time of the tick.
	At time.Time `json:"at"`
	// Uptime is how long the machine was up at the tick, without the time for
	// which it was suspended (CLOCK_MONOTONIC): what does not change when the
	// calendar is set. 0 where time is not the machine's; see Steady.
	Uptime time.Duration `json:"uptime_ns,omitzero"`
	// Host is the node itself.
	Host Host `json:"host"`
	// Usage is the agent's last report; nil when no agent has reported yet.
	Usage *Usage `json:"usage,omitempty"`
	// Containers are all containers on disk or known to the agent, sorted by
	// Key.ID, then by Key.Inode.
	Containers []Container `json:"containers"`
	// Contention is the last answer of the fast sampler; its state is unknown
	// when there is none, or the last poll is too old to count.
	Contention Contention `json:"contention,omitzero"`
	// TreeWhy is Present when the container tree could be listed; otherwise
	// Containers only holds what the agent knows.
	TreeWhy Absence `json:"tree"`
}

// UsageAge is how old the agent's report is at the tick, and whether there is
// one at all.
func (s *Snapshot) UsageAge() (time.Duration, bool) {
	if s.Usage == nil {
		return 0, false
	}
	return s.At.Sub(s.Usage.At), true
}

// Key identifies a container for as long as it lives.
type Key struct {
	// ID is the Mesos container id; nested containers have their own.
	ID string `json:"id"`
	// Inode is that of the container's cgroup directory (on v1 in the
	// hierarchy of the cpuacct controller); 0 when it is not on disk.
	Inode uint64 `json:"inode,omitzero"`
}

// Compare orders keys as a Snapshot does: by ID, then by Inode.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.ID, o.ID), cmp.Compare(k.Inode, o.Inode))
}

// Find is the container with key k, nil when there is none.
func (s *Snapshot) Find(k Key) *Container {
	i, found := slices.BinarySearchFunc(s.Containers, k, func(c Container, k Key) int { return c.Compare(k) })
	if !found {
		return nil
	}
	return &s.Containers[i]
}

// Container is one container at one tick.
type Container struct {
	Key
	// Parent is the id of the container that this one is nested in, "" at top
	// level. A parent's readings include those of its nested containers: the
	// kernel counts hierarchically. Only top-level containers have an Executor.
	Parent string `json:"parent,omitzero"`
	// OnDisk: it has a cgroup.
	OnDisk bool `json:"on_disk"`
	// Executor is what the agent says of it; nil when the agent does not (or
	// not yet) list it.
	Executor *Executor `json:"executor,omitzero"`
	// FirstSeen is when this daemon saw it first.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// At is when its fast-changing files were read.
	At time.Time `json:"at,omitzero"`

	CPU      CPU      `json:"cpu,omitzero"`
	Memory   Memory   `json:"memory,omitzero"`
	Pids     Count    `json:"pids,omitzero"` // tasks (threads) in the cgroup
	Pressure Pressure `json:"pressure,omitzero"`
}

// Class is what may be done to the container: the executor's class, or
// ClassUnknown when the agent does not list it.
func (c *Container) Class() Class {
	if c.Executor == nil {
		return ClassUnknown
	}
	return c.Executor.Class
}

// Unreadable makes all readings of the container absent for that reason.
func (c *Container) Unreadable(why Absence) {
	count, value := Count{Why: why}, Value{Why: why}
	c.CPU = CPU{
		UsageNanos: count, Cores: value, ThrottledNanos: count, QuotaCores: value, RunDelay: value,
	}
	c.Memory = Memory{
		UsageBytes: count, AnonBytes: count, ReclaimableBytes: count, UnreclaimableBytes: count, StatAt: c.Memory.StatAt,
	}
	c.Pids = count
	c.Pressure = Pressure{
		CPUSome: value, MemorySome: value, MemoryFull: value, IOSome: value, IOFull: value, CPUSomeMicros: count,
	}
}

// Age is how long this daemon has known the container at time now.
func (c *Container) Age(now time.Time) time.Duration { return now.Sub(c.FirstSeen) }

// CPU is a container's processor use.
type CPU struct {
	// UsageNanos is the CPU time used since the cgroup was made, in ns.
	UsageNanos Count `json:"usage_ns,omitzero"`
	// Cores is UsageNanos per time since the sample before: 1 is one busy core.
	Cores Value `json:"cores,omitzero"`
	// ThrottledNanos is the time for which the quota throttled its tasks, in ns.
	ThrottledNanos Count `json:"throttled_ns,omitzero"`
	// QuotaCores is the container's own quota, in cores; absent with NoQuota when
	// it has none. It is read every so many ticks only.
	QuotaCores Value `json:"quota_cores,omitzero"`
	// RunDelay is how long its threads waited for a CPU, per time since the
	// sample before: 2 is two threads that waited all the time. What its own
	// quota throttled is left out. It is a lower bound, read only where there
	// is no pressure of single cgroups, of regular containers, and while the
	// host is busy; else absent with NotRead.
	RunDelay Value `json:"run_delay,omitzero"`
}

// Memory is a container's memory use, in bytes.
type Memory struct {
	// UsageBytes includes the page cache.
	UsageBytes Count `json:"usage_bytes,omitzero"`
	// AnonBytes is anonymous memory (v1 total_rss, v2 anon).
	AnonBytes Count `json:"anon_bytes,omitzero"`
	// ReclaimableBytes is what the kernel would drop at need without a write:
	// page cache it would reclaim first.
	ReclaimableBytes Count `json:"reclaimable_bytes,omitzero"`
	// UnreclaimableBytes is UsageBytes − ReclaimableBytes: what the container
	// cannot give up without notice. MemAvailable leaves out the same, so that
	// it can be subtracted from what the host uses.
	UnreclaimableBytes Count `json:"unreclaimable_bytes,omitzero"`
	// StatAt is when AnonBytes and ReclaimableBytes were read; they are read
	// less often than UsageBytes.
	StatAt time.Time `json:"stat_at,omitzero"`
}

// Pressure is PSI: the share of time in which tasks waited, 0 to 1, since the
// sample before (Documentation/accounting/psi.rst). A container has it on
// cgroup v2 only.
type Pressure struct {
	CPUSome    Value `json:"cpu_some_share,omitzero"`
	MemorySome Value `json:"memory_some_share,omitzero"`
	MemoryFull Value `json:"memory_full_share,omitzero"`
	IOSome     Value `json:"io_some_share,omitzero"`
	IOFull     Value `json:"io_full_share,omitzero"`
	// CPUSomeMicros is the cumulated stall time behind CPUSome, in µs.
	CPUSomeMicros Count `json:"cpu_some_us,omitzero"`
}

// Host is the node itself.
type Host struct {
	// At is when it was read.
	At time.Time `json:"at,omitzero"`
	// CPUs is the number of online processors.
	CPUs Count `json:"online_cpus,omitzero"`
	// UsableCPUs is what the agent's containers can use of them, in processors:
	// fewer where a cpuset or a quota around them says so. CapacityFrom says
	// which. See Usable.
	UsableCPUs   Value        `json:"usable_cores,omitzero"`
	CapacityFrom CapacityFrom `json:"capacity_from,omitzero"`
	// BusyCores is the time that processors were not idle, per time since the
	// sample before; steal counts as busy, iowait as idle. It is about what
	// UsableCPUs counts: with a cpuset about its processors only, and under a
	// quota it is the use of the cgroup that has the quota.
	BusyCores Value `json:"busy_cores,omitzero"`
	// Load1, Load5, Load15 are the load averages.
	Load1  Value `json:"load1,omitzero"`
	Load5  Value `json:"load5,omitzero"`
	Load15 Value `json:"load15,omitzero"`
	// MemTotalBytes, MemAvailableBytes are from /proc/meminfo.
	MemTotalBytes     Count `json:"mem_total_bytes,omitzero"`
	MemAvailableBytes Count `json:"mem_available_bytes,omitzero"`
	// UsableMemBytes is what the agent's containers can use of it, and
	// UsableMemAvailableBytes what is left of that: less where a cgroup around
	// them has a limit. MemoryFrom says which. See UsableMemory.
	UsableMemBytes          Count      `json:"usable_mem_bytes,omitzero"`
	UsableMemAvailableBytes Count      `json:"usable_mem_available_bytes,omitzero"`
	MemoryFrom              MemoryFrom `json:"memory_from,omitzero"`
	// UsableMemUsedBytes is how much of it is in use, counted as the containers'
	// UnreclaimableBytes are, so that their sum can be taken from it. That is what
	// is not available, and on cgroup v1, where containers do not tell which kernel
	// memory of theirs is reclaimable, all of that (SReclaimable) as well.
	UsableMemUsedBytes Count `json:"usable_mem_used_bytes,omitzero"`
	// Pressure is the host's own PSI.
	Pressure Pressure `json:"pressure,omitzero"`
}
