package qos

import (
	"github.com/estimatord/estimatord/internal/snapshot"
)

// RegularMemory is how full the memory allocation of a regular container is.
const RegularMemory Signal = "regular_memory"

// regularMemory is the highest over regular containers of
//
//	working set / allocated memory
//
// with the working set as cAdvisor defines it (snapshot.Memory): what it cannot
// give up without notice. A container without an allocation of memory is
// skipped.
//
// A container that needs its allocation takes back what was handed out on the
// strength of its slack, and the node may not have it any more. That is a reason
// to hand out no more; nothing lacks yet, so it says nothing of how much (see
// node_memory for that).
var regularMemory = signal{
	name:     RegularMemory,
	brief:    "Highest share of its memory allocation that is in one regular container's working set (memory usage less inactive page cache); containers without an allocation of memory are skipped.",
	v1:       "the same",
	v2:       "the same",
	noPSI:    "the same",
	resource: Memory,
	unit:     share,
	// A v1 agent never lowers a hard limit below the use, so that a container
	// can be above its allocation.
	most: 100,
	defaults: Rule{
		Signal: RegularMemory,
		// Within a tenth of its allocation: the margin of the estimate.
		Above:  0.9,
		Clear:  0.9,
		For:    0,
		Settle: 0,
		Action: StopOffering,
	},
	protects: true,
	measure:  measureRegularMemory,
	subject:  regularMemorySubject,
}

func measureRegularMemory(v *view, _ *Rule) reading {
	n := &v.needs
	const input = "the regular containers' memory use"
	m := reading{value: n.filled.reading(), worst: n.filled.id, input: input}
	if !m.value.OK() && n.filled.absent == 0 {
		m.value = snapshot.ValueOf(0) // nobody, or none with an allocation
	}
	return m
}

func regularMemorySubject(b []byte, _ *view, _ *Rule, m *reading) []byte {
	if m.worst == "" {
		return append(b, "no regular container uses memory that it was allocated (0 %)"...)
	}
	b = append(b, m.worst...)
	b = append(b, " uses "...)
	b = appendPercent(b, m.value.V)
	return append(b, " of its memory"...)
}
