package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// RegularRunDelay is which part of the CPU that it wants a regular container
// waits for.
const RegularRunDelay Signal = "regular_run_delay"

// regularRunDelay is the highest over regular containers of
//
//	min(delay, allocated − use) / (use + the same)
//
// while the node's CPUs are busy by at least 70 %, else 0. delay is the time
// for which its threads were runnable and did not run, per time
// (/proc/<pid>/task/<tid>/schedstat, Documentation/scheduler/sched-stats.rst),
// without what its own quota held back (snapshot.CPU.RunDelay). What it wants
// beyond its allocation is not counted, so more threads than the container may
// run at a time are no squeeze.
//
// It stands in for CPU pressure where the kernel has none of single cgroups,
// and is unknown where it has. The monitor reads it only on a busy node, and is
// a tick late when that becomes one.
var regularRunDelay = signal{
	name:     RegularRunDelay,
	brief:    "Highest share of the CPU it wants, within its allocation, that one regular container's threads waited for on run queues without its own quota's doing (schedstat of its threads); 0 while less than 70 % of the node's CPUs are busy.",
	v1:       "run-queue delay of the threads, a lower bound",
	v2:       "unknown: regular_cpu_pressure knows more",
	noPSI:    "as on v1",
	resource: CPU,
	unit:     share,
	most:     1,
	defaults: Rule{
		Signal: RegularRunDelay,
		// Up to 0.08 was read of a service beside hogs that have the least
		// weight and cost it nothing, 0.12 with a quota on them; beside hogs of
		// its own weight, 0.7 (docs/evidence/contention.md).
		Above: 0.2,
		Clear: 0.75,
		// Threads that come and go make single readings jump.
		For:    time.Second,
		Settle: 5 * time.Second,
		Action: Slow,
	},
	protects: true,
	waits:    true,
	measure:  measureRunDelay,
	subject:  runDelaySubject,
	detail:   cpuPressureDetail,
}

func measureRunDelay(v *view, _ *Rule) reading {
	const input = "the regular containers' run-queue delay"
	n := &v.needs
	if n.containers == 0 {
		return reading{value: snapshot.ValueOf(0), input: input}
	}
	cpus, busy, missing := v.busy()
	if missing != nil {
		return *missing
	}
	delay, quiet := n.delayed.reading(), !isContended(busy, cpus)
	if n.psi > 0 && delay.Why == snapshot.NotRead {
		delay.Why = snapshot.NoFile // nobody will read it here: pressure tells more
	}
	switch unread := n.psi == 0 && delay.Why == snapshot.NotRead; {
	case !delay.OK() && (!quiet || !unread):
		return unknown(delay.Why, input)
	case quiet || delay.V == 0:
		return reading{value: snapshot.ValueOf(0), input: input}
	}
	return reading{value: delay, worst: n.delayed.id, missing: snapshot.ValueOf(n.wait()), input: input}
}

func runDelaySubject(b []byte, _ *view, _ *Rule, m *reading) []byte {
	if m.worst == "" {
		return append(b, "no regular container waits on run queues (0 %)"...)
	}
	b = append(b, m.worst...)
	b = append(b, " waited on run queues for "...)
	b = appendPercent(b, m.value.V)
	return append(b, " of the CPU it wants"...)
}
