package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// RegularCPUPressure is how long a regular container waited for a CPU that
// others had.
const RegularCPUPressure Signal = "regular_cpu_pressure"

// regularCPUPressure is the highest over regular containers of
//
//	max(0, p − t)   while the node's CPUs are busy by at least 70 %, else 0
//
// with p the share of time for which some task of it waited for a CPU (cgroup
// v2, Documentation/accounting/psi.rst: growth of `total` over the tick) and t
// the time for which its own quota held it back in the same tick, as a share.
// Pressure counts the latter as waiting, and a container with a quota that is
// too small waits most of the time on an idle node: Kubernetes has learnt that
// (enhancements 5062), OpenShift ignores pressure on a node below 70 %. The
// kernel adds t up over processors, so of a container that is held back on
// several at once too much is taken off: what is left is not its own making.
//
// A container that gets all of its allocation waits for more than it was
// promised, which does not count. Nor does the waiting of anything that is not
// regular: that is what revocable containers are for.
//
// What the fast lane saw last counts where it is higher and not older than a
// second. The tick that it wakes comes some ms after, and its own readings are
// averages since the tick before: of a squeeze that began 100 ms ago they show
// a tenth to all of it, so that deciding on them alone would cost up to a second
// more. The same goes for the gate: see busyFor.
//
// On cgroup v1 there is no pressure of single containers. The lane says there
// which part of the CPU of just before a container lost on a node whose tasks
// wait; this sees a squeeze begin, and forgets it within seconds if it stays.
// Take regular_run_delay beside it.
var regularCPUPressure = signal{
	name:     RegularCPUPressure,
	brief:    "Highest share of time for which tasks of one regular container waited for a CPU that its own quota did not withhold (growth of cpu.pressure and of the throttled time in cpu.stat; between ticks, the fast lane); 0 while less than 70 % of the node's CPUs are busy.",
	v1:       "from the fast lane only: the part of its CPU of just before that a regular container lost",
	v2:       "the higher of the tick's own pressure and what the fast lane saw last",
	noPSI:    "unknown",
	resource: CPU,
	unit:     share,
	most:     1,
	defaults: Rule{
		Signal: RegularCPUPressure,
		// Rubik acts on 5 % over 10 s, Katalyst on 4 to 15 %; over one second
		// a healthy container shows a few per cent on a busy node. What wakes
		// the loop early is above 20 %.
		Above: 0.1,
		Clear: 0.5,
		// A throttle is undone as easily as it is made: at once.
		For:    0,
		Settle: 5 * time.Second,
		Action: Slow,
	},
	protects: true,
	waits:    true,
	measure:  measureCPUPressure,
	subject:  cpuPressureSubject,
	detail:   cpuPressureDetail,
}

const (
	pressureInput = "the regular containers' CPU pressure"
	fastInput     = "the last look between the ticks"
)

func measureCPUPressure(v *view, _ *Rule) reading {
	n := &v.needs
	if n.containers == 0 {
		return reading{value: snapshot.ValueOf(0), input: pressureInput}
	}
	cpus, busy, missing := v.busy()
	if missing != nil {
		return *missing
	}
	tick, lane := n.pressed.reading(), v.fastSays()
	m := reading{value: snapshot.ValueOf(0), input: pressureInput}
	switch {
	case !tick.OK() && !lane.OK():
		why := tick.Why
		if why == snapshot.NoFile { // v1: it is the lane that is missing
			why = lane.Why
		}
		return unknown(why, pressureInput)
	case tick.OK() && tick.V > 0 && isContended(busy, cpus):
		m.value, m.worst = tick, n.pressed.id
		if n.told > 0 {
			m.missing = snapshot.ValueOf(n.wait())
		}
	}
	if lane.OK() && lane.V > m.value.V && isContended(v.busyFor(v.fastWindow(), busy, cpus), cpus) {
		// How much is missing it does not tell: the tick's own numbers are of
		// before.
		m = reading{value: lane, worst: v.s.Contention.Container, input: fastInput}
	}
	return m
}

func cpuPressureSubject(b []byte, v *view, _ *Rule, m *reading) []byte {
	if m.worst == "" {
		return append(b, "no regular container is kept waiting for a CPU (0 %)"...)
	}
	b = append(b, m.worst...)
	switch {
	case m.input != fastInput:
		b = append(b, " waited for a CPU "...)
	case v.s.Contention.Why == snapshot.ContentionSlowed:
		b = append(b, " lost of its CPU just now "...)
	default:
		b = append(b, " waited for a CPU just now "...)
	}
	b = appendPercent(b, m.value.V)
	if m.input != fastInput || v.s.Contention.Why != snapshot.ContentionSlowed {
		b = append(b, " of the time"...)
	}
	return b
}

func cpuPressureDetail(b []byte, v *view, _ *Rule, m *reading) []byte {
	if cpus, busy, missing := v.busy(); missing == nil {
		b = append(b, "; node "...)
		b = appendPercent(b, busy/cpus)
		b = append(b, " busy"...)
		if m.worst == "" && v.needs.pressed.value > 0 && !isContended(busy, cpus) {
			b = append(b, ", less than "...)
			b = appendPercent(b, contended)
			b = append(b, ": what waits there waits for its own sake"...)
		}
	}
	if m.missing.OK() && m.missing.V > 0 {
		b = append(b, "; regular containers lack "...)
		b = appendAmount(b, CPU, m.missing.V)
	}
	return v.appendUnread(b)
}
