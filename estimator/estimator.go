// Package estimator turns a Snapshot into an Offer: how much of the node may be
// handed out as revocable, and by which terms.
//
// Per resource, in thousandths of its unit:
//
//	slack  = Σ allocated to regular containers − P − margin − unmanaged
//	target = min(slack, cap)
//	gross  = governor(target)                    what the node promises in all
//	free   = max(0, gross − Σ allocated revocable)  what the agent is answered
//
// The agent adds what is already allocated as revocable to our answer and
// sends the sum to the master, where any change of 0.001 rescinds offers
// (slave.cpp:8611, master.cpp:8033). The governor therefore works on gross, not
// on free: launching or ending a revocable task then changes nothing that the
// master sees.
//
// Invariants:
//   - Pure: no I/O, no clock, no gRPC, no Prometheus (a test enforces it), so
//     the daemon and a replay run the same code.
//   - Blindness cuts the offer: without an agent's fresh report, a readable
//     container tree or the host's own readings, gross is 0.
package estimator

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Estimator makes one Offer per tick. It keeps state between ticks; ticks come
// in order of time. The returned Offer is the caller's to keep.
type Estimator interface {
	Estimate(s *snapshot.Snapshot) Offer
	// Feedback tells, between two ticks, what was done for regular tasks.
	Feedback(f Feedback)
}

// Feedback is what was decided for regular tasks after a tick, and what the
// next ones have to heed.
type Feedback struct {
	// At is when.
	At time.Time
	// StopOffer: nothing new may be handed out until a Feedback without it.
	// What is held as revocable stays promised.
	StopOffer bool
	// Acted: capacity was taken back. Nothing is raised for a while, and for
	// longer each time that it happens again; actions less than a minute apart
	// are one time.
	Acted bool
}

// Offer is what one tick decided to promise, with every term that led to it.
type Offer struct {
	// Seq and At are those of the Snapshot.
	Seq uint64
	At  time.Time
	// Resources are sorted by name.
	Resources []ResourceOffer
	// Regular is Σ allocated to regular containers in the report that the
	// offer was made from; nil when the offer does not depend on it.
	Regular resources.Quantities
	// Report is that report, nil when there was none or the offer does not
	// depend on it. Answer compares it with a newer one, container by container.
	Report *snapshot.Usage
	// ValidFor is how long after At the offer may be answered with; past it
	// the answer is empty. 0: for ever (it depends on no reading).
	ValidFor time.Duration
	// Grades is how each predictor has kept its promises since the start,
	// shadows included.
	Grades []Graded
}

// ResourceOffer holds the terms for one resource; all amounts in its unit.
type ResourceOffer struct {
	Name string
	// Allocated is Σ allocated to regular containers.
	Allocated resources.Milli
	// Usage is what they use now; unknown readings count as their allocation.
	Usage resources.Milli
	// Demand is what they want now: Usage, and what they waited for.
	Demand resources.Milli
	// Peak is their predicted peak demand, never below Demand capped at Allocated.
	Peak resources.Milli
	// Margin is what is kept back on top of the peak.
	Margin resources.Milli
	// Unmanaged is what processes outside the agent's containers use beyond
	// the part of the node that the agent does not manage.
	Unmanaged resources.Milli
	// Slack is Allocated − Peak − Margin − Unmanaged, never below zero.
	Slack resources.Milli
	// Cap is the operator's limit for this resource; valid when Capped.
	Cap    resources.Milli
	Capped bool
	// Target is the lesser of Slack and Cap.
	Target resources.Milli
	// Gross is Target after the governor: all that may be revocable.
	Gross resources.Milli
	// Governor is what it was decided from beside Target and
	// AllocatedRevocable; see Recompute.
	Governor Terms
	// AllocatedRevocable is Σ held as revocable.
	AllocatedRevocable resources.Milli
	// Free is Gross − AllocatedRevocable, never below zero.
	Free resources.Milli
	// Why is what decided Gross.
	Why reason.Code
}
