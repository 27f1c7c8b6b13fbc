package signal

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// RegularRunDelay is which part of the CPU that it wants a regular container
// waits for.
const RegularRunDelay policy.Signal = "regular_run_delay"

// regularRunDelay is the highest over regular containers of
//
//	min(delay, allocated − use) / (use + the same)
//
// while the node's CPUs are busy by at least 70 %, else 0. delay is the time
// for which its threads were runnable and did not run, per time, without what its
// own quota throttled (snapshot.CPU.RunDelay). It stands in for CPU pressure where
// the kernel has none of single cgroups, and is unknown where it has. The monitor
// reads it only on a busy node, and is a tick late when that becomes one.
var regularRunDelay = Signal{
	Spec: policy.Spec{
		Name:     RegularRunDelay,
		Brief:    "Highest share of the CPU it wants, within its allocation, that one regular container's threads waited for on run queues without its own quota's doing (schedstat of its threads); 0 while less than 70 % of the node's CPUs are busy.",
		V1:       "run-queue delay of the threads, a lower bound",
		V2:       "unknown: regular_cpu_pressure knows more",
		NoPSI:    "as on v1",
		Resource: policy.CPU,
		Unit:     policy.Share,
		Most:     1,
		Default: policy.Rule{
			Signal: RegularRunDelay,
			// Up to 0.08 was read of a service beside hogs that have the least
			// weight and cost it nothing, 0.12 with a quota on them; beside hogs of
			// its own weight, 0.7 (docs/evidence/contention.md).
			Above: 0.2,
			Clear: 0.75,
			// Threads that come and go make single readings jump.
			For:    time.Second,
			Settle: 5 * time.Second,
			Action: policy.Throttle,
		},
	},
	Protects: true,
	Waits:    true,
	measure:  measureRunDelay,
	Sentence: func(m *Reading) string {
		if m.Container == "" {
			return "no regular container waits on run queues (0 %)"
		}
		return fmt.Sprintf("%s waited on run queues for %s of the CPU it wants", m.Container, Percent(m.Value.V))
	},
	Detail: contendedDetail,
}

func measureRunDelay(v *View, _ *policy.Rule) Reading {
	n := &v.needs
	if n.containers == 0 {
		return Reading{Value: snapshot.ValueOf(0)}
	}
	cpus, busy, absent := v.busy()
	if absent != nil {
		return *absent
	}
	delay, quiet := n.delayed.reading(), !isContended(busy, cpus)
	if n.psi > 0 && delay.Why == snapshot.NotRead {
		delay.Why = snapshot.NoFile // nobody will read it here: pressure tells more
	}
	m := Reading{Value: snapshot.ValueOf(0), Used: busy, Total: cpus}
	switch unread := n.psi == 0 && delay.Why == snapshot.NotRead; {
	case !delay.OK() && (!quiet || !unread):
		return unknown(delay.Why, "the regular containers' run-queue delay")
	case !quiet && delay.V > 0:
		m.Value, m.Container, m.Shortfall = delay, n.delayed.id, snapshot.ValueOf(n.wait())
	}
	return m
}
