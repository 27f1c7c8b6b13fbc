package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// RegularCPUContention is what regular containers want of CPU against what is left
// for them.
const RegularCPUContention Signal = "regular_cpu_contention"

// regularCPUContention is
//
//	value = Σ demand / left
//	left  = CPUs − revocable − outside = idle + Σ use
//
// over regular containers: what they want (package demand) against what is
// neither taken by revocable containers nor by anything outside. Both forms of
// left are the same number, since the node's busy time is the sum of the three;
// the second one needs neither of the two others, so a revocable container that
// cannot be read changes nothing.
//
// So it is above 1 exactly when what regular containers wait for is more than
// what is idle: their demand does not fit beside what the others really take.
// That is not the same as a full node: one that revocable containers fill while
// nobody waits reads at most 1.
//
// What is not read of a container's waiting is not wanted. Where nothing tells
// how long anybody waited and nothing is idle, the signal is unknown: it is not
// 1 then, although use fills what is left.
var regularCPUContention = signal{
	name:     RegularCPUContention,
	brief:    "CPU that regular containers want, as a share of what revocable containers and everything outside really leave them (use and waiting of each regular container, /proc/stat); above 1 it does not fit.",
	v1:       "use and, while the node is busy, run-queue delay; unknown on a full node where that is not read",
	v2:       "use and CPU pressure without own-quota throttling",
	noPSI:    "as on v1",
	resource: CPU,
	unit:     share,
	most:     100,
	defaults: Rule{
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
		// What a throttle takes comes back, and its size is known (missing).
		Action: Slow,
	},
	protects: true,
	waits:    true,
	measure:  measureContention,
	subject:  squeezeSubject,
	detail:   squeezeDetail,
}

// leastLeft, in cores, keeps the quotient finite.
const leastLeft = 0.01

func measureContention(v *view, _ *Rule) reading {
	n := &v.needs
	if n.containers == 0 {
		return reading{value: snapshot.ValueOf(0), missing: snapshot.ValueOf(0), input: squeezeInput}
	}
	cpus, busy, missing := v.busy()
	if missing != nil {
		return *missing
	}
	if n.read == 0 {
		return unknown(n.why, "the regular containers' CPU use")
	}
	idle := max(0, cpus-busy)
	if n.told == 0 && idle < (1-demand.Saturated)*cpus {
		return unknown(n.waitWhy(), "how long regular containers waited for a CPU")
	}
	left := v.left(cpus, busy)
	return reading{
		value:   snapshot.ValueOf(n.wanted / max(leastLeft, left)),
		missing: snapshot.ValueOf(max(0, n.wanted-left)),
		input:   squeezeInput,
	}
}

const squeezeInput = "the regular containers' demand"

// left is what regular containers have and could have, in cores.
func (v *view) left(cpus, busy float64) float64 { return max(0, cpus-busy) + v.needs.used }

// waitWhy is why it is not known of any container how long it waited.
func (n *needs) waitWhy() snapshot.Absence {
	if n.pressed.why == snapshot.NoFile || n.pressed.why == snapshot.NotRead {
		return n.delayed.why
	}
	return n.pressed.why
}

func squeezeSubject(b []byte, v *view, _ *Rule, m *reading) []byte {
	if v.needs.containers == 0 {
		return append(b, "no regular container"...)
	}
	cpus, busy, _ := v.busy()
	b = append(b, "regular containers want "...)
	b = appendNumber(b, v.needs.wanted, 2)
	b = append(b, " of "...)
	b = appendNumber(b, v.left(cpus, busy), 2)
	b = append(b, " CPUs left to them ("...)
	b = appendPercent(b, m.value.V)
	return append(b, ')')
}

func squeezeDetail(b []byte, v *view, _ *Rule, _ *reading) []byte {
	b = append(b, "; they use "...)
	b = appendNumber(b, v.needs.used, 2)
	b = append(b, ", revocable "...)
	b = appendNumber(b, v.revocableCores, 2)
	return v.appendUnread(b)
}

// appendUnread says of how many regular containers nothing is known.
func (v *view) appendUnread(b []byte) []byte {
	if unread := v.needs.containers - v.needs.read; unread > 0 {
		b = append(b, "; "...)
		b = appendNumber(b, float64(unread), 0)
		b = append(b, " regular containers unreadable"...)
	}
	return b
}
