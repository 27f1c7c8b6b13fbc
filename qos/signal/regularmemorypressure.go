package signal

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// RegularMemoryPressure is how long a regular container stood still for lack of
// memory.
const RegularMemoryPressure policy.Signal = "regular_memory_pressure"

// regularMemoryPressure is the highest over regular containers of the `full`
// memory pressure (Documentation/accounting/psi.rst: the share of time for
// which all tasks that were not idle waited for memory), while at least 80 % of
// the node's memory is in use, else 0. `some` counts a single task that reads back
// a page of a file, which healthy services do all the time; oomd takes `full`, too.
//
// What its own limit withholds does not count: a container that needs 95 % of its
// allocation stands still because of that.
var regularMemoryPressure = Signal{
	Spec: policy.Spec{
		Name:     RegularMemoryPressure,
		Brief:    "Highest share of time for which all tasks of one regular container waited for memory that its own limit did not withhold (`full` line of memory.pressure); 0 while less than 80 % of the node's memory is in use.",
		V1:       "unknown",
		V2:       "the pressure, read every few seconds",
		NoPSI:    "unknown",
		Resource: policy.Memory,
		Unit:     policy.Share,
		Most:     1,
		Default: policy.Rule{
			Signal: RegularMemoryPressure,
			// oomd's examples act for workloads on 5 % over 15 s together with 40 %
			// of the system's, Katalyst on 4 to 15 %; systemd-oomd's 60 % over 30 s
			// is a desktop's.
			Above: 0.1,
			Clear: 0.5,
			For:   5 * time.Second,
			// What a victim leaves is read back page by page.
			Settle: 10 * time.Second,
			Action: policy.Throttle,
		},
	},
	Protects: true,
	measure:  measureMemoryPressure,
	Sentence: func(m *Reading) string {
		if m.Container == "" {
			return "no regular container is kept waiting for memory (0 %)"
		}
		return fmt.Sprintf("%s waited for memory %s of the time", m.Container, Percent(m.Value.V))
	},
	Detail: func(m *Reading) string {
		if m.Total == 0 {
			return ""
		}
		return fmt.Sprintf("; %s of %s available", Amount(policy.Memory, m.Total-m.Used), Amount(policy.Memory, m.Total))
	},
}

// scarceMemory is the share of the node's memory in use from which on others
// may be the reason that a container waits for memory: reclaim that reaches
// beyond one's own limit begins when little is available, and the peers kill
// between 70 % (koordlet) and 95 %.
const scarceMemory = 0.8

func measureMemoryPressure(v *View, _ *policy.Rule) Reading {
	n := &v.needs
	if n.containers == 0 {
		return Reading{Value: snapshot.ValueOf(0)}
	}
	stalled := n.stalled.reading()
	if !stalled.OK() {
		return unknown(stalled.Why, "the regular containers' memory pressure")
	}
	total, used, absent := v.memory()
	if absent != nil {
		return *absent
	}
	m := Reading{Value: snapshot.ValueOf(0), Used: used, Total: total}
	if stalled.V > 0 && used >= scarceMemory*total {
		m.Value, m.Container = stalled, n.stalled.id
	}
	return m
}
