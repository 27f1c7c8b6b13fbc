package signal

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// NodeMemory is the share of the node's memory that is in use.
const NodeMemory policy.Signal = "node_memory"

// nodeMemory is
//
//	value = 1 − available / usable
//
// with MemAvailable and MemTotal of /proc/meminfo, or what is left of the limit
// of a cgroup around the containers where that is less (snapshot.Host).
var nodeMemory = Signal{
	Spec: policy.Spec{
		Name:     NodeMemory,
		Brief:    "Share of the node's usable memory that is not available, page cache that can be dropped not counted (MemAvailable of /proc/meminfo, or the limit of a cgroup around the containers).",
		Resource: policy.Memory,
		Unit:     policy.Share,
		Most:     1,
		Default: policy.Rule{
			Signal: NodeMemory,
			// earlyoom ends something at 10 % available and kills at 5 %; Blue Yonder
			// kills at 10 %, kubelet at 100 MiB. Below 5 % the kernel's own choice is
			// near, and it may be a regular task.
			Above: 0.95,
			// A tenth available.
			Clear: 0.9 / 0.95,
			// Memory can be gone within seconds (kubernetes 31362: looking every
			// 10 s misses it); one reading may be of a burst of dirty pages.
			For: 2 * time.Second,
			// A container of some GB needs a second or two to be gone.
			Settle: 5 * time.Second,
			Action: policy.Kill,
		},
	},
	Protects: true,
	measure:  measureNodeMemory,
	Sentence: func(m *Reading) string {
		return fmt.Sprintf("%s of %s memory available (%s in use)",
			Amount(policy.Memory, m.Total-m.Used), Amount(policy.Memory, m.Total), Percent(m.Value.V))
	},
}

func measureNodeMemory(v *View, r *policy.Rule) Reading {
	total, used, absent := v.memory()
	if absent != nil {
		return *absent
	}
	return Reading{
		Value: snapshot.ValueOf(used / total), Used: used, Total: total,
		// Down to the threshold, it is all too much.
		Shortfall: snapshot.ValueOf(max(0, used-r.Above*total)),
	}
}

// mostMemory is more than an x86 or ARM processor can address (52 bits): a node
// that says so would look full whatever it has left.
const mostMemory = 1 << 52

// memory is how much the node has and how much of it is not available, in bytes,
// or the reading that says what is not known.
func (v *View) memory() (total, used float64, absent *Reading) {
	t, a := v.Snapshot.Host.UsableMemory()
	why := snapshot.Present
	switch {
	case !t.OK():
		why = t.Why
	case !a.OK():
		why = a.Why
	case !v.fresh(v.Snapshot.Host.At):
		why = snapshot.NotRead
	case t.N == 0, t.N > mostMemory, float64(a.N) > plausibleShare*float64(t.N):
		why = snapshot.Impossible
	}
	if why != snapshot.Present {
		m := unknown(why, "the node's memory")
		return 0, 0, &m
	}
	return float64(t.N), max(0, float64(t.N)-float64(a.N)), nil
}
