package signal

import (
	"fmt"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// PredictionViolated is how far regular demand is above the prediction of the last offer.
const PredictionViolated policy.Signal = "prediction_violated"

// predictionViolated is, for CPUs,
//
//	value   = excess / allocated then
//	excess  = Σ demand + overhead − peak − launched
//
// with peak the demand that the last offer was made on, margin included, and
// allocated what was allocated to regular containers then. Overhead is what is
// allocated as regular CPUs to containers that are not regular, which counts as
// used in full on both sides. launched is what was allocated since: the
// prediction was not about that. A container that cannot be read wants nothing here, so that
// blindness never looks like a violation.
//
// This watches the estimator, not the node, so its default is to stop the offer.
var predictionViolated = Signal{
	Spec: policy.Spec{
		Name:     PredictionViolated,
		Brief:    "How far the CPU that regular containers want is above the peak that the last offer was made with, as a share of what they are allocated (the estimate itself, and use and waiting of each regular container).",
		V1:       "use and, while the node is busy, run-queue delay",
		V2:       "use and CPU pressure without own-quota throttling",
		NoPSI:    "as on v1",
		Resource: policy.CPU,
		Unit:     policy.Share,
		Most:     1,
		Default: policy.Rule{
			Signal: PredictionViolated,
			// The margin (10 to 15 % in the field) is in the prediction already, and
			// what is above it is wrong by so much. A twentieth more is noise of one
			// sample.
			Above:  0.05,
			Clear:  0.5,
			For:    0,
			Settle: 0,
			Action: policy.StopOffering,
		},
	},
	Protects: true,
	measure:  measureBroken,
	Sentence: func(m *Reading) string {
		return fmt.Sprintf("regular containers want %.2f CPUs, %.2f were promised to be enough (exceeded by %s of what they are allocated)",
			m.Used, m.Total, Percent(m.Value.V))
	},
}

func measureBroken(v *View, _ *policy.Rule) Reading {
	const input = "the estimate of regular demand"
	n, p := &v.needs, v.promise()
	switch {
	case p == nil, p.NoPeak:
		return unknown(snapshot.NotRead, input)
	case p.Peak < 0 || p.Allocated < 0:
		return unknown(snapshot.Malformed, input)
	case n.containers > 0 && n.read == 0:
		return unknown(n.why, "the regular containers' CPU use")
	}
	wanted := n.wanted + n.overhead
	launched := max(0, n.allocated-p.Allocated.Float())
	excess := max(0, wanted-p.Peak.Float()-launched)
	return Reading{
		Value: snapshot.ValueOf(excess / max(leastLeft, p.Allocated.Float())), Shortfall: snapshot.ValueOf(excess),
		Used: wanted, Total: p.Peak.Float(),
	}
}

// promise is that of CPUs, nil when nothing is promised.
func (v *View) promise() *Promise {
	for i := range v.promises {
		if v.promises[i].Resource == resources.CPUs {
			return &v.promises[i]
		}
	}
	return nil
}

// Promise is the peak demand of regular containers that an offer was made on.
type Promise struct {
	Resource string `json:"resource"`
	// Peak is that demand, margin included; Allocated is what they are allocated.
	Peak      resources.Milli `json:"peak"`
	Allocated resources.Milli `json:"allocated"`
	// NoPeak: the mode predicts none.
	NoPeak bool `json:"no_peak,omitzero"`
	// RevocableTotal is what may exist as revocable on the strength of it.
	RevocableTotal resources.Milli `json:"revocable_total"`
	// Owed is what owners have allocated of their reservations while it was
	// allocated as revocable.
	Owed resources.Milli `json:"owed,omitzero"`
}
