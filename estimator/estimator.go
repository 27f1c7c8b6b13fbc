// Package estimator turns a Snapshot into an Offer: how much of the node may be
// handed out as revocable, and by which terms.
//
// Per resource, in thousandths of its unit:
//
//	slack           = Σ allocated to regular containers − P − margin − unmanaged
//	target          = min(slack, cap)
//	revocable total = governor(target)
//	offered         = max(0, revocable total − Σ allocated revocable)
//
// The agent adds what is already allocated as revocable to our answer and
// sends the sum to the master, where any change of 0.001 rescinds offers
// (slave.cpp:8611, master.cpp:8033). The governor therefore works on the
// revocable total: launching or ending a revocable task then changes nothing that the
// master sees.
//
// Invariants:
//   - Pure: no I/O, no clock, no gRPC, no Prometheus (a test enforces it), so
//     the daemon and a replay run the same code.
//   - Blindness cuts the offer: without an agent's fresh report, a readable
//     container tree or the host's own readings, the revocable total is 0.
package estimator

import (
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Estimator makes one Offer per tick. It keeps state between ticks; ticks come
// in order of time. The returned Offer is the caller's to keep.
type Estimator interface {
	// demands are those of its containers, in their order; where there are none,
	// use is demand.
	Estimate(s *snapshot.Snapshot, demands []demand.Demand) Offer
	// Feedback tells, between two ticks, what was done for regular tasks.
	Feedback(f Feedback)
	// Save is the state after the last tick, nil before the first.
	Save() *Checkpoint
	// Restore goes on from c, before the first tick. What can be used is used,
	// resource by resource; the error, an ErrCheckpoint, says what cannot.
	Restore(c *Checkpoint) error
}

// Feedback is what was decided for regular tasks after a tick, and what the
// next ones have to heed.
type Feedback struct {
	// StopOffer: nothing new may be handed out until a Feedback without it.
	// What is allocated as revocable stays promised.
	StopOffer bool
	// Acted: capacity was taken back. Nothing is raised for a while, and for
	// longer each time that it happens again; actions less than a minute apart
	// are one time.
	Acted bool
}

// Offer is what one tick decided to promise, with every term that led to it.
type Offer struct {
	// At is the time of the Snapshot.
	At time.Time `json:"-"`
	// Resources are sorted by name.
	Resources []ResourceOffer `json:"resources"`
	// Would is what mode usage would offer in the place of another mode, sorted by
	// name.
	Would []ResourceOffer `json:"would_offer,omitempty"`
	// Report is the report of the agent that the offer was made from, nil when
	// there was none or the offer does not depend on it. Answer compares it with
	// a newer one, container by container.
	Report *snapshot.Usage `json:"-"`
	// ValidFor is how long after At the offer may be answered with; past it
	// the answer is empty. 0: for ever (it depends on no reading).
	ValidFor time.Duration `json:"-"`
	// roles are those whose reservations count; nil when none do.
	roles *RoleFilter
	// Scores are how well each predictor has done since the start, shadows
	// included.
	Scores []PredictorScore `json:"-"`
}

// PredictorScore is how well one predictor has done so far.
type PredictorScore struct {
	Resource, Predictor string
	predict.Score
}

// ResourceOffer is the offer of one resource with its terms. All amounts are in
// the resource's own unit. What was not computed is absent: its pointer is nil,
// and its fields are not in the JSON.
type ResourceOffer struct {
	Resource string `json:"resource"`
	*Allocated
	*Estimate
	// Allocation is what is reserved and not allocated; nil in modes that do not
	// offer it.
	Allocation *AllocationOffer `json:"allocation,omitempty"`
	// Cap is the operator's limit on the usage slack; nil without one.
	Cap *resources.Milli `json:"cap,omitempty"`
	// Target is the lesser of Slack and Cap, or the total that the operator
	// fixed; 0 when the slack is not known.
	Target resources.Milli `json:"target"`
	// Governor is what RevocableTotal was decided from beside Target and
	// RevocableAllocated; nil when no governor decided.
	Governor *Terms `json:"governor,omitempty"`
	// RevocableTotal is all that may be revocable: Target after the governor, and
	// Allocation.Total.
	RevocableTotal resources.Milli `json:"revocable_total"`
	// Offered is RevocableTotal − RevocableAllocated, never below zero.
	Offered resources.Milli `json:"offered"`
	// Why is what decided RevocableTotal.
	Why reason.Code `json:"why"`
}

// Allocated is what the agent's report says of one resource; absent before the
// first report.
type Allocated struct {
	// RegularAllocated is Σ allocated to containers as regular.
	RegularAllocated resources.Milli `json:"regular_allocated"`
	// RevocableAllocated is Σ allocated to containers as revocable.
	RevocableAllocated resources.Milli `json:"revocable_allocated"`
}

// Estimate is how the slack of one resource was estimated; absent when it was
// not, by mode or for lack of readings.
type Estimate struct {
	// Usage is what regular containers use now; an unknown reading counts as the
	// allocation.
	Usage resources.Milli `json:"regular_usage"`
	// Demand is what they want now: Usage, and what they waited for.
	Demand resources.Milli `json:"regular_demand"`
	// Peak is their predicted peak demand, never below Demand capped at
	// RegularAllocated.
	Peak resources.Milli `json:"regular_predicted_peak"`
	// InFull is the part of Peak that stands for containers that count with all
	// they were allocated, since they are too young or cannot be read.
	InFull resources.Milli `json:"regular_counted_in_full,omitzero"`
	// LearningSeconds is for how long yet the youngest of those counts in full for
	// its age, CalibratingSeconds for how long yet what other machines have shown
	// decides how far Peak is above Demand.
	LearningSeconds    float64 `json:"learning_s,omitzero"`
	CalibratingSeconds float64 `json:"calibrating_s,omitzero"`
	// Margin is kept back on top of the peak.
	Margin resources.Milli `json:"margin"`
	// Unmanaged is what processes outside the agent's containers use beyond
	// the part of the node that the agent does not manage.
	Unmanaged resources.Milli `json:"unmanaged_usage"`
	// Slack is RegularAllocated − Peak − Margin − Unmanaged, never below zero.
	Slack resources.Milli `json:"slack"`
}

// noSlack is what takes most of what regular containers are allocated.
func (e *Estimate) noSlack() reason.Code {
	need := e.Peak - e.InFull + e.Margin
	switch {
	case e.InFull > max(need, e.Unmanaged):
		return reason.CountedInFull
	case e.Unmanaged > need:
		return reason.UsedOutside
	case e.CalibratingSeconds > 0 && e.Demand+e.Margin+e.Unmanaged < e.Peak:
		return reason.Learning
	}
	return reason.NoSlack
}
