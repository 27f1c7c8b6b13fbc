package estimator

import (
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// fixed promises the operator's total:
//
//	free = max(0, total − Σ allocated revocable)
//
// which is what Mesos's fixed estimator answers
// (src/slave/resource_estimators/fixed.cpp).
type fixed struct {
	total   resources.Quantities
	stopped bool
}

// NewFixed makes the Estimator that promises total, whatever the node does. It
// needs no report and no sample: before the agent's first report nothing counts
// as allocated.
func NewFixed(total resources.Quantities) Estimator { return &fixed{total: total.Clone()} }

// Estimate implements Estimator.
func (f *fixed) Estimate(s *snapshot.Snapshot) Offer {
	o := Offer{Seq: s.Seq, At: s.At, Resources: make([]ResourceOffer, 0, len(f.total))}
	held := revocable(s)
	for _, q := range f.total {
		r := ResourceOffer{Name: q.Name, Target: q.Amount, Gross: q.Amount, Why: reason.Fixed}
		r.hold(held.Get(q.Name))
		if f.stopped {
			r.stop()
		}
		o.Resources = append(o.Resources, r)
	}
	return o
}

// Feedback implements Estimator. What an operator fixed stays, and only a stop
// takes the rest of it back for a while.
func (f *fixed) Feedback(b Feedback) { f.stopped = b.StopOffer }

// noop promises nothing.
type noop struct{}

// NewNoop makes the Estimator that promises nothing: the daemon watches only.
func NewNoop() Estimator { return noop{} }

// Estimate implements Estimator.
func (noop) Estimate(s *snapshot.Snapshot) Offer {
	r := ResourceOffer{Name: resources.CPUs, Why: reason.Noop}
	r.hold(revocable(s).Get(r.Name))
	return Offer{Seq: s.Seq, At: s.At, Resources: []ResourceOffer{r}}
}

// Feedback implements Estimator. Nothing is never less.
func (noop) Feedback(Feedback) {}

// revocable is Σ held as revocable, nothing before the first report.
func revocable(s *snapshot.Snapshot) resources.Quantities {
	if s.Usage == nil {
		return nil
	}
	return s.Usage.Revocable()
}

// stop promises no more than what is held.
func (r *ResourceOffer) stop() {
	r.Gross, r.Why, r.Governor.Stopped = min(r.Gross, max(0, r.AllocatedRevocable)), reason.Stopped, true
	r.Free = 0
}

// hold sets what is held as revocable and what is free besides.
func (r *ResourceOffer) hold(held resources.Milli) {
	r.AllocatedRevocable = held
	r.Free = max(0, r.Gross-max(0, held))
}
