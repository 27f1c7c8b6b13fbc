package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// NodeMemory is the share of the node's memory that is in use.
const NodeMemory Signal = "node_memory"

// nodeMemory is
//
//	value = 1 − available / usable
//
// with MemAvailable and MemTotal of /proc/meminfo, or what is left of the limit
// of a cgroup around the containers where that is less (snapshot.Host). What is
// available includes the page cache that can be dropped (Documentation/
// filesystems/proc.rst): free memory alone is near zero on every healthy node.
var nodeMemory = signal{
	name:     NodeMemory,
	brief:    "Share of the node's usable memory that is not available, page cache that can be dropped not counted (MemAvailable of /proc/meminfo, or the limit of a cgroup around the containers).",
	v1:       "the same",
	v2:       "the same",
	noPSI:    "the same",
	resource: Memory,
	unit:     share,
	most:     1,
	defaults: Rule{
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
		Action: Kill,
	},
	protects: true,
	measure:  measureNodeMemory,
	subject:  nodeMemorySubject,
}

func measureNodeMemory(v *view, r *Rule) reading {
	total, available, missing := v.memory()
	if missing != nil {
		return *missing
	}
	used := max(0, total-available)
	return reading{
		value: snapshot.ValueOf(used / total), input: memoryInput,
		// Down to the threshold, it is all too much.
		missing: snapshot.ValueOf(max(0, used-r.Above*total)),
	}
}

const memoryInput = "the node's memory"

// mostMemory is more than an x86 or ARM processor can address (52 bits): a node
// that says so would look full whatever it has left.
const mostMemory = 1 << 52

// memory is how much the node has and how much of it is available, in bytes, or
// the reading that says what is not known.
func (v *view) memory() (total, available float64, missing *reading) {
	t, a := v.s.Host.UsableMemory()
	why := snapshot.Present
	switch {
	case !t.OK():
		why = t.Why
	case !a.OK():
		why = a.Why
	case !within(v.s.At.Sub(v.s.Host.At), v.fresh.Sample):
		why = snapshot.NotRead
	case t.N == 0, t.N > mostMemory, float64(a.N) > plausibleShare*float64(t.N):
		why = snapshot.Malformed
	}
	if why != snapshot.Present {
		m := unknown(why, memoryInput)
		return 0, 0, &m
	}
	return float64(t.N), float64(a.N), nil
}

func nodeMemorySubject(b []byte, v *view, _ *Rule, m *reading) []byte {
	total, available, _ := v.memory()
	b = appendAmount(b, Memory, available)
	b = append(b, " of "...)
	b = appendAmount(b, Memory, total)
	b = append(b, " memory available ("...)
	b = appendPercent(b, m.value.V)
	return append(b, " in use)"...)
}
