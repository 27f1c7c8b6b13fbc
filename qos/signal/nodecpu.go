package signal

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// NodeCPU is the share of the node's CPUs that is busy.
const NodeCPU policy.Signal = "node_cpu"

// nodeCPU is the share of the node's CPUs that is busy,
//
//	value = busy / CPUs
//
// both of what the containers can use (snapshot.Host). busy is measured as one
// number, the host's own (/proc/stat). The sum over containers never stands in
// for it: it misses what runs outside them, and it would let a rule act on a host
// that cannot be read.
var nodeCPU = Signal{
	Spec: policy.Spec{
		Name:     NodeCPU,
		Brief:    "Share of the node's CPUs that is busy with regular containers, revocable containers and everything outside the containers together (/proc/stat; steal counts as busy, iowait as idle).",
		Resource: policy.CPU,
		Unit:     policy.Share,
		Most:     1,
		Default: policy.Rule{
			Signal: NodeCPU,
			// Heracles and Serenity stop offering at 0.85 to 0.95; a kill comes
			// later than that. Regular tasks lose CPU only where nothing is idle,
			// and 5 % of idle time is what a saturated node still shows between
			// wake-ups.
			Above: 0.95,
			// A tenth of the CPUs idle is room that is not used up by the next
			// burst.
			Clear: 0.95,
			// Five ticks: longer than a garbage collection or a compile burst,
			// shorter than the 15 s of the peers, whose signals are averages over
			// 10 s to start with.
			For: 5 * time.Second,
			// The rate is per tick, so a victim's relief is whole in the second
			// reading after it is gone; the rest is room for what takes its place.
			Settle: 5 * time.Second,
			Action: policy.Kill,
		},
	},
	Protects: true,
	measure:  measureNodeCPU,
	Sentence: func(m *Reading) string {
		return fmt.Sprintf("%.2f of %s CPUs busy (%s)", m.Used, cpuCount(m.Total), Percent(m.Value.V))
	},
}

// plausibleBusy is how far above the number of CPUs the busy cores may read:
// the two samples behind the rate and the clock are not read in one instant.
// Beyond it the reading is wrong, and a wrong reading is no reading.
const plausibleBusy = 1.25

func measureNodeCPU(v *View, r *policy.Rule) Reading {
	cpus, busy, absent := v.busy()
	if absent != nil {
		return *absent
	}
	return Reading{
		Value: snapshot.ValueOf(busy / cpus), Used: busy, Total: cpus,
		// Down to the threshold, it is all too much.
		Shortfall: snapshot.ValueOf(max(0, busy-r.Above*cpus)),
	}
}

// busy is the number of CPUs and how many of them are busy, or the reading
// that says which of the two is not known.
func (v *View) busy() (cpus, busy float64, absent *Reading) {
	cpus, why := v.UsableCPUs()
	if why != snapshot.Present {
		m := unknown(why, "the number of CPUs")
		return 0, 0, &m
	}
	b := v.hostValue(v.Snapshot.Host.BusyCores)
	if b.OK() && b.V > cpus*plausibleBusy {
		b = snapshot.Value{Why: snapshot.Impossible}
	}
	if !b.OK() {
		m := unknown(b.Why, "the CPUs' busy time")
		return 0, 0, &m
	}
	return cpus, b.V, nil
}
