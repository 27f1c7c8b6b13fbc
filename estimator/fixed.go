package estimator

import (
	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// fixed promises the operator's total:
//
//	offered = max(0, total − Σ allocated revocable)
//
// which is what Mesos's fixed estimator answers
// (src/slave/resource_estimators/fixed.cpp).
type fixed struct {
	life
	total resources.Quantities
	// why is Fixed or Noop.
	why reason.Code
	// kept is what another mode has learned, for when it is chosen again.
	kept []ResourceCheckpoint
}

// NewFixed makes the Estimator that promises total, whatever the node does. It
// needs no report and no sample: before the agent's first report nothing counts
// as allocated.
func NewFixed(total resources.Quantities) Estimator {
	return &fixed{total: total.Clone(), why: reason.Fixed}
}

// NewNoop makes the Estimator that promises nothing: the daemon watches only.
func NewNoop() Estimator {
	return &fixed{total: resources.Quantities{{Name: resources.CPUs}}, why: reason.Noop}
}

// Estimate implements Estimator.
func (f *fixed) Estimate(s *snapshot.Snapshot, _ []demand.Demand) Offer {
	o := Offer{At: s.At, Resources: make([]ResourceOffer, 0, len(f.total))}
	_, feedback, _ := f.advance(s)
	allocated := allocatedOf(s.Usage)
	for _, q := range f.total {
		r := ResourceOffer{Resource: q.Name, Allocated: allocated(q.Name), Target: q.Amount}
		total, why := q.Amount, f.why
		if feedback.StopOffer && why == reason.Fixed {
			total, why = min(total, r.revocable()), reason.Stopped
		}
		r.promise(total, why)
		o.Resources = append(o.Resources, r)
	}
	return o
}

// Save implements Estimator.
func (f *fixed) Save() *Checkpoint {
	c := f.save()
	if c != nil {
		c.Resources = f.kept
	}
	return c
}

// Restore implements Estimator. Of what was done, only a stop is of importance to
// what an operator fixed.
func (f *fixed) Restore(c *Checkpoint) error {
	if err := f.restore(c); err != nil {
		return err
	}
	f.kept = c.Resources
	return nil
}

// allocatedOf is what u says of each resource, nil without a report.
func allocatedOf(u *snapshot.Usage) func(resource string) *Allocated {
	if u == nil {
		return func(string) *Allocated { return nil }
	}
	regular, revocable := u.Regular(), u.Revocable()
	return func(resource string) *Allocated {
		return &Allocated{RegularAllocated: regular.Get(resource), RevocableAllocated: revocable.Get(resource)}
	}
}

// revocable is what is allocated as revocable, 0 before the first report.
func (r *ResourceOffer) revocable() resources.Milli {
	if r.Allocated == nil {
		return 0
	}
	return max(0, r.RevocableAllocated)
}

// promise sets what may be revocable in all and what is offered of it.
func (r *ResourceOffer) promise(total resources.Milli, why reason.Code) {
	r.RevocableTotal, r.Why, r.Offered = total, why, 0
	if why != reason.Stopped {
		r.Offered = max(0, total-r.revocable())
	}
}
