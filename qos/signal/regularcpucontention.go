package signal

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// RegularCPUContention is what regular containers want of CPU against what is left
// for them.
const RegularCPUContention policy.Signal = "regular_cpu_contention"

// regularCPUContention is, over regular containers,
//
//	value = Σ demand / left
//	left  = CPUs − revocable − outside = idle + Σ use
//
// what they want (package demand) against what is neither taken by revocable
// containers nor by anything outside. Both forms of left are the same number; the
// second one needs no reading of a revocable container.
//
// What is not read of a container's waiting is not wanted. Where nothing tells
// how long anybody waited and nothing is idle, the signal is unknown: it is not
// 1 then, although use fills what is left.
var regularCPUContention = Signal{
	Spec: policy.Spec{
		Name:     RegularCPUContention,
		Brief:    "CPU that regular containers want, as a share of what revocable containers and everything outside really leave them (use and waiting of each regular container, /proc/stat); above 1 it does not fit.",
		V1:       "use and, while the node is busy, run-queue delay; unknown on a full node where that is not read",
		V2:       "use and CPU pressure without own-quota throttling",
		NoPSI:    "as on v1",
		Resource: policy.CPU,
		Unit:     policy.Share,
		Most:     100,
		Default: policy.Rule{
			Signal: RegularCPUContention,
			// Up to 1.07 was read of a service beside hogs that have the least
			// weight and cost it nothing: threads that wake up wait for a moment,
			// and for one another (docs/evidence/contention.md). 1.25 is what it comes to
			// when a container waits for a fifth of what it wants, the threshold of
			// regular_run_delay, and it is all there is.
			Above: 1.25,
			Clear: 1.1 / 1.25,
			// The second reading in a row: the first one may be of a burst that was
			// over before it was read.
			For:    time.Second,
			Settle: 5 * time.Second,
			// What a throttle takes comes back, and its size is known (the shortfall).
			Action: policy.Throttle,
		},
	},
	Protects: true,
	Waits:    true,
	measure:  measureContention,
	Sentence: func(m *Reading) string {
		if m.Total == 0 {
			return "no regular container"
		}
		return fmt.Sprintf("regular containers want %.2f of %.2f CPUs left to them (%s)", m.Used, m.Total, Percent(m.Value.V))
	},
}

// leastLeft, in cores, keeps the quotient finite.
const leastLeft = 0.01

func measureContention(v *View, _ *policy.Rule) Reading {
	n := &v.needs
	if n.containers == 0 {
		return Reading{Value: snapshot.ValueOf(0), Shortfall: snapshot.ValueOf(0)}
	}
	cpus, busy, absent := v.busy()
	if absent != nil {
		return *absent
	}
	if n.read == 0 {
		return unknown(n.why, "the regular containers' CPU use")
	}
	idle := max(0, cpus-busy)
	if n.told == 0 && idle < (1-demand.Saturated)*cpus {
		return unknown(n.waitWhy(), "how long regular containers waited for a CPU")
	}
	left := idle + n.used
	return Reading{
		Value: snapshot.ValueOf(n.wanted / max(leastLeft, left)), Used: n.wanted, Total: left,
		Shortfall: snapshot.ValueOf(max(0, n.wanted-left)),
	}
}

// waitWhy is why it is not known of any container how long it waited.
func (n *needs) waitWhy() snapshot.Absence {
	if n.pressed.why == snapshot.NoFile || n.pressed.why == snapshot.NotRead {
		return n.delayed.why
	}
	return n.pressed.why
}
