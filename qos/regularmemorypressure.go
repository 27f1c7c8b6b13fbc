package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// RegularMemoryPressure is how long a regular container stood still for lack of
// memory.
const RegularMemoryPressure Signal = "regular_memory_pressure"

// regularMemoryPressure is the highest over regular containers of the `full`
// memory pressure (Documentation/accounting/psi.rst: the share of time for
// which all tasks that were not idle waited for memory), while at least 80 % of
// the node's memory is in use, else 0.
//
// `full`, as oomd and systemd-oomd take it: `some` counts a single task that
// reads back a page of a file, which healthy services do all the time (senpai
// keeps them there on purpose). Time that counts as `full` is lost beyond
// doubt.
//
// As with CPU, what its own limit withholds does not count: a container whose
// working set has reached 95 % of its allocation stands still because of that,
// and so does one on a node with plenty of memory.
var regularMemoryPressure = signal{
	name:     RegularMemoryPressure,
	brief:    "Highest share of time for which all tasks of one regular container waited for memory that its own limit did not withhold (`full` line of memory.pressure); 0 while less than 80 % of the node's memory is in use.",
	v1:       "unknown",
	v2:       "the pressure, read every few seconds",
	noPSI:    "unknown",
	resource: Memory,
	unit:     share,
	most:     1,
	defaults: Rule{
		Signal: RegularMemoryPressure,
		// oomd's examples act for workloads on 5 % over 15 s together with 40 %
		// of the system's, Katalyst on 4 to 15 %; systemd-oomd's 60 % over 30 s
		// is a desktop's.
		Above: 0.1,
		Clear: 0.5,
		For:   5 * time.Second,
		// What a victim leaves is read back page by page.
		Settle: 10 * time.Second,
		Action: Slow,
	},
	protects: true,
	measure:  measureMemoryPressure,
	subject:  memoryPressureSubject,
	detail:   memoryPressureDetail,
}

// scarceMemory is the share of the node's memory in use from which on others
// may be the reason that a container waits for memory: reclaim that reaches
// beyond one's own limit begins when little is available, and the peers kill
// between 70 % (koordlet) and 95 %.
const scarceMemory = 0.8

func measureMemoryPressure(v *view, _ *Rule) reading {
	n := &v.needs
	const input = "the regular containers' memory pressure"
	if n.containers == 0 {
		return reading{value: snapshot.ValueOf(0), input: input}
	}
	stalled := n.stalled.reading()
	if !stalled.OK() {
		return unknown(stalled.Why, input)
	}
	total, available, missing := v.memory()
	switch {
	case missing != nil:
		return *missing
	case stalled.V == 0 || total-available < scarceMemory*total:
		return reading{value: snapshot.ValueOf(0), input: input}
	}
	return reading{value: stalled, worst: n.stalled.id, input: input}
}

func memoryPressureSubject(b []byte, _ *view, _ *Rule, m *reading) []byte {
	if m.worst == "" {
		return append(b, "no regular container is kept waiting for memory (0 %)"...)
	}
	b = append(b, m.worst...)
	b = append(b, " waited for memory "...)
	b = appendPercent(b, m.value.V)
	return append(b, " of the time"...)
}

func memoryPressureDetail(b []byte, v *view, _ *Rule, _ *reading) []byte {
	total, available, missing := v.memory()
	if missing != nil {
		return b
	}
	b = append(b, "; "...)
	b = appendAmount(b, Memory, available)
	b = append(b, " of "...)
	b = appendAmount(b, Memory, total)
	return append(b, " available"...)
}
