package signal

import (
	"fmt"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// RegularMemory is how full the memory allocation of a regular container is.
const RegularMemory policy.Signal = "regular_memory"

// regularMemory is the highest over regular containers of
//
//	memory that the kernel cannot drop at need / allocated memory
//
// (snapshot.Memory.UnreclaimableBytes): page cache is no need. A container without
// an allocation of memory is skipped. Nothing lacks yet when it is high, so it says
// nothing of how much (see node_memory for that).
var regularMemory = Signal{
	Spec: policy.Spec{
		Name:     RegularMemory,
		Brief:    "Highest share of its memory allocation that one regular container needs (memory usage less what the kernel drops at need: page cache and reclaimable slab); containers without an allocation of memory are skipped.",
		Resource: policy.Memory,
		Unit:     policy.Share,
		// A v1 agent never lowers a hard limit below the use, so that a container
		// can be above its allocation.
		Most: 100,
		Default: policy.Rule{
			Signal: RegularMemory,
			// Within a tenth of its allocation: the margin of the estimate.
			Above:  0.9,
			Clear:  0.9,
			For:    0,
			Settle: 0,
			Action: policy.StopOffering,
		},
	},
	Protects: true,
	measure:  measureRegularMemory,
	Sentence: func(m *Reading) string {
		if m.Container == "" {
			return "no regular container uses memory that it was allocated (0 %)"
		}
		return fmt.Sprintf("%s uses %s of its memory", m.Container, Percent(m.Value.V))
	},
}

func measureRegularMemory(v *View, _ *policy.Rule) Reading {
	w := &v.needs.filled
	if w.judged+w.absent == 0 {
		return Reading{Value: snapshot.ValueOf(0)} // nobody, or none with an allocation
	}
	if value := w.reading(); !value.OK() {
		return unknown(value.Why, "the regular containers' memory use")
	}
	return Reading{Value: w.reading(), Container: w.id}
}
