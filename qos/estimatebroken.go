package qos

import (
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// EstimateBroken is how far regular demand is above what the offer promised.
const EstimateBroken Signal = "estimate_broken"

// estimateBroken is, for CPUs,
//
//	value   = excess / allocated then
//	excess  = Σ demand + overhead − peak − launched
//
// with peak the demand that the last offer was made on, margin included, and
// allocated what regular containers held then. Overhead is what containers that
// are not regular hold as regular CPUs, which counts as used in full on both
// sides. launched is what was allocated since: the promise was not about that.
// A container that cannot be read wants nothing here, so that blindness never
// looks like a broken promise.
//
// This watches the estimator, not the node: it is high on an idle node too,
// where nothing lacks and nothing has to be taken. What is wrong then is what
// would be handed out next, so its default is to stop the offer. Memory has no
// such signal: what a promise of memory breaks on shows in node_memory.
var estimateBroken = signal{
	name:     EstimateBroken,
	brief:    "How far the CPU that regular containers want is above the peak that the last offer promised it would stay below, as a share of what they are allocated (the estimate itself, and use and waiting of each regular container).",
	v1:       "use and, while the node is busy, run-queue delay",
	v2:       "use and CPU pressure without own-quota throttling",
	noPSI:    "as on v1",
	resource: CPU,
	unit:     share,
	most:     1,
	defaults: Rule{
		Signal: EstimateBroken,
		// The margin (10 to 15 % in the field) is in the promise already, and
		// what is above it is wrong by so much. A twentieth more is noise of one
		// sample.
		Above:  0.05,
		Clear:  0.5,
		For:    0,
		Settle: 0,
		Action: StopOffering,
	},
	protects: true,
	measure:  measureBroken,
	subject:  brokenSubject,
}

func measureBroken(v *view, _ *Rule) reading {
	const input = "the estimate of regular demand"
	p := v.promise()
	switch {
	case p == nil:
		return unknown(snapshot.NotRead, input)
	case p.Peak < 0 || p.Allocated < 0:
		return unknown(snapshot.Malformed, input)
	case v.needs.containers > 0 && v.needs.read == 0:
		return unknown(v.needs.why, "the regular containers' CPU use")
	}
	excess := v.excess(p)
	value := 0.0
	if excess > 0 {
		value = excess / max(leastLeft, p.Allocated.Float())
	}
	return reading{value: snapshot.ValueOf(value), missing: snapshot.ValueOf(excess), input: input}
}

// promise is that of CPUs, nil when nothing is promised.
func (v *view) promise() *Promise {
	for i := range v.promises {
		if v.promises[i].Resource == resources.CPUs {
			return &v.promises[i]
		}
	}
	return nil
}

func (v *view) excess(p *Promise) float64 {
	n := &v.needs
	launched := max(0, n.allocated-p.Allocated.Float())
	return max(0, n.wanted+n.overhead-p.Peak.Float()-launched)
}

func brokenSubject(b []byte, v *view, _ *Rule, m *reading) []byte {
	b = append(b, "regular containers want "...)
	b = appendNumber(b, v.needs.wanted+v.needs.overhead, 2)
	b = append(b, " CPUs, "...)
	b = appendNumber(b, v.promise().Peak.Float(), 2)
	b = append(b, " were promised to be enough (exceeded by "...)
	b = appendPercent(b, m.value.V)
	return append(b, " of what they are allocated)"...)
}
