package estimator

import (
	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// showing offers what one estimator offers, and shows what another one would.
type showing struct {
	Estimator
	would Estimator
}

// NewShowing makes an Estimator that offers what e does, and shows in Offer.Would
// what would offers in its place: a dry run on the node itself. What would learns
// is kept over a restart, for when it is chosen.
func NewShowing(e, would Estimator) Estimator { return &showing{e, would} }

// Estimate implements Estimator.
func (w *showing) Estimate(s *snapshot.Snapshot, demands []demand.Demand) Offer {
	o := w.Estimator.Estimate(s, demands)
	would := w.would.Estimate(s, demands)
	o.Would, o.Scores = would.Resources, would.Scores
	return o
}

// Feedback implements Estimator.
func (w *showing) Feedback(f Feedback) {
	w.Estimator.Feedback(f)
	w.would.Feedback(f)
}

// Save implements Estimator.
func (w *showing) Save() *Checkpoint {
	c, learned := w.Estimator.Save(), w.would.Save()
	if c != nil && learned != nil {
		c.Resources = learned.Resources
	}
	return c
}

// Restore implements Estimator.
func (w *showing) Restore(c *Checkpoint) error {
	_ = w.would.Restore(c) // what is only shown is learned anew
	return w.Estimator.Restore(c)
}
