package signal

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// RegularCPUPressure is how long a regular container waited for a CPU that
// others had.
const RegularCPUPressure policy.Signal = "regular_cpu_pressure"

// regularCPUPressure is the highest over regular containers of
//
//	max(0, p − t)   while the node's CPUs are busy by at least 70 %, else 0
//
// with p the share of time for which some task of it waited for a CPU (cgroup
// v2, Documentation/accounting/psi.rst: growth of `total` over the tick) and t
// the time for which its own quota throttled it in the same tick, as a share:
// pressure counts that as waiting, also on an idle node (Kubernetes enhancements
// 5062; OpenShift ignores pressure on a node below 70 %). A container that uses
// all of its allocation waits for more than that, which does not count.
//
// What the fast sampler saw last counts where it is higher and not older than a
// second: of contention that began 50 ms before the tick the tick's own readings,
// which are averages, show a twentieth to all of it. The same goes for how busy
// the node is: see busyFor.
var regularCPUPressure = Signal{
	Spec: policy.Spec{
		Name:     RegularCPUPressure,
		Brief:    "Highest share of time for which tasks of one regular container waited for a CPU that its own quota did not withhold (growth of cpu.pressure and of the throttled time in cpu.stat; between ticks, the fast sampler); 0 while less than 70 % of the node's CPUs are busy.",
		V1:       "from the fast sampler only: the part of its CPU of just before that a regular container lost",
		V2:       "the higher of the tick's own pressure and what the fast sampler saw last",
		NoPSI:    "unknown",
		Resource: policy.CPU,
		Unit:     policy.Share,
		Most:     1,
		Default: policy.Rule{
			Signal: RegularCPUPressure,
			// Rubik acts on 5 % over 10 s, Katalyst on 4 to 15 %; over one second
			// a healthy container shows a few per cent on a busy node. What wakes
			// the loop early is above 20 %.
			Above: 0.1,
			Clear: 0.5,
			// A throttle is undone as easily as it is made: at once.
			For:    0,
			Settle: 5 * time.Second,
			Action: policy.Throttle,
		},
	},
	Protects: true,
	Waits:    true,
	measure:  measureCPUPressure,
	Sentence: cpuPressureSentence,
	Detail:   contendedDetail,
}

const (
	pressureInput = "the regular containers' CPU pressure"
	// The fast sampler saw it, on cgroup v2 and on v1.
	fastStalled = "last poll, waited"
	fastSlowed  = "last poll, lost"
)

func measureCPUPressure(v *View, _ *policy.Rule) Reading {
	n := &v.needs
	if n.containers == 0 {
		return Reading{Value: snapshot.ValueOf(0)}
	}
	cpus, busy, absent := v.busy()
	if absent != nil {
		return *absent
	}
	tick, fast := n.pressed.reading(), v.fastSays()
	m := Reading{Value: snapshot.ValueOf(0), Used: busy, Total: cpus}
	switch {
	case !tick.OK() && !fast.OK():
		why := tick.Why
		if why == snapshot.NoFile { // v1: it is the fast sampler that is missing
			why = fast.Why
		}
		return unknown(why, pressureInput)
	case tick.OK() && tick.V > 0 && isContended(busy, cpus):
		m.Value, m.Container = tick, n.pressed.id
		if n.told > 0 {
			m.Shortfall = snapshot.ValueOf(n.wait())
		}
	}
	if fast.OK() && fast.V > m.Value.V && isContended(v.busyFor(v.fastWindow(), busy, cpus), cpus) {
		// The shortfall is not known: the tick's own numbers are of before.
		m.Value, m.Container, m.Shortfall, m.Input = fast, v.Snapshot.Contention.Container, snapshot.Value{}, fastStalled
		if v.Snapshot.Contention.Why == snapshot.ContentionSlowed {
			m.Input = fastSlowed
		}
	}
	return m
}

func cpuPressureSentence(m *Reading) string {
	switch {
	case m.Container == "":
		return "no regular container is kept waiting for a CPU (0 %)"
	case m.Input == fastSlowed:
		return fmt.Sprintf("%s lost of its CPU just now %s", m.Container, Percent(m.Value.V))
	case m.Input == fastStalled:
		return fmt.Sprintf("%s waited for a CPU just now %s of the time", m.Container, Percent(m.Value.V))
	}
	return fmt.Sprintf("%s waited for a CPU %s of the time", m.Container, Percent(m.Value.V))
}

// contendedDetail says how busy the node is, since waiting counts on a busy one
// only, and the shortfall.
func contendedDetail(m *Reading) string {
	if m.Total == 0 {
		return ""
	}
	text := fmt.Sprintf("; node %s busy", Percent(m.Used/m.Total))
	if m.Container == "" && !isContended(m.Used, m.Total) {
		text += fmt.Sprintf(", less than %s: waiting there does not count", Percent(contended))
	}
	if m.Shortfall.OK() && m.Shortfall.V > 0 {
		text += "; regular containers lack " + Amount(policy.CPU, m.Shortfall.V)
	}
	return text
}
