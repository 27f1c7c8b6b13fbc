package estimator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// CheckpointVersion is that of the Checkpoints that Save makes; Restore takes
// no other.
const CheckpointVersion = 1

// ErrCheckpoint is the class of errors of a Checkpoint that cannot be used.
var ErrCheckpoint = errors.New("unusable checkpoint")

// Checkpoint is what an estimator has to know to go on after a restart. It is
// made for encoding/json and shares nothing with the estimator. All its times
// are by Clock.
type Checkpoint struct {
	Version int             `json:"version"`
	Clock   snapshot.Steady `json:"clock"`
	// Stopped: nothing new might be offered.
	Stopped   bool                 `json:"stopped,omitzero"`
	Resources []ResourceCheckpoint `json:"resources,omitempty"`
	// Allocation is the state of allocation slack.
	Allocation []AllocationCheckpoint `json:"allocation,omitempty"`
}

// ResourceCheckpoint is the state of one resource.
type ResourceCheckpoint struct {
	Name     string        `json:"name"`
	Governor GovernorState `json:"governor"`
	// Predictor is what it has learned; nil when it has nothing to keep.
	Predictor *predict.Checkpoint `json:"predictor,omitempty"`
}

// AllocationCheckpoint is the state of one resource of reservations: what there was
// to offer at the last tick, and what is owed (AllocationOffer.Owed).
type AllocationCheckpoint struct {
	Name     string          `json:"name"`
	Governor GovernorState   `json:"governor"`
	Free     resources.Milli `json:"unallocated"`
	Owed     resources.Milli `json:"owed,omitzero"`
}

// life is what every estimator keeps over a restart: its clock, and whether its
// offer is stopped.
type life struct {
	clock snapshot.Steady
	// restored is what it goes on from at the first tick.
	restored *Checkpoint
	// stopKept is until when a stop from before a restart lasts.
	stopKept time.Time
	// feedback is what was done since the last tick.
	feedback Feedback
}

// Feedback implements Estimator.
func (l *life) Feedback(f Feedback) {
	f.Acted = f.Acted || l.feedback.Acted
	l.feedback = f
}

// advance begins a tick: its time, what was done since the one before, and at
// the first one what to go on from.
func (l *life) advance(s *snapshot.Snapshot) (at time.Time, f Feedback, from *Checkpoint) {
	at, from = l.clock.Advance(s), l.restored
	if from != nil && from.Stopped {
		l.stopKept = at.Add(stopKept)
	}
	f = Feedback{Acted: l.feedback.Acted, StopOffer: l.stopped()}
	l.restored, l.feedback.Acted = nil, false
	return at, f, from
}

// stopped reports whether nothing new may be offered.
func (l *life) stopped() bool { return l.feedback.StopOffer || l.clock.At.Before(l.stopKept) }

// save is the Checkpoint without what is the estimator's own, nil before the
// first tick.
func (l *life) save() *Checkpoint {
	if l.clock.At.IsZero() {
		return nil
	}
	return &Checkpoint{Version: CheckpointVersion, Clock: l.clock, Stopped: l.stopped()}
}

// restore goes on from c.
func (l *life) restore(c *Checkpoint) error {
	switch {
	case c == nil:
		return fmt.Errorf("%w: there is none", ErrCheckpoint)
	case c.Version != CheckpointVersion:
		return fmt.Errorf("%w: version %d, want %d", ErrCheckpoint, c.Version, CheckpointVersion)
	case !l.clock.At.IsZero():
		return fmt.Errorf("%w: the estimator has begun already", ErrCheckpoint)
	case c.Clock.At.IsZero():
		return fmt.Errorf("%w: it has no time", ErrCheckpoint)
	}
	l.clock, l.restored = c.Clock, c
	return nil
}

// stopKept is for how long an offer that was stopped stays so after a restart:
// long enough for the rules to find again that regular tasks are short of
// something.
const stopKept = time.Minute

// Save implements Estimator.
func (u *usage) Save() *Checkpoint {
	c := u.save()
	if c == nil {
		return nil
	}
	for _, r := range u.resources {
		c.Resources = append(c.Resources, ResourceCheckpoint{
			Name: r.cfg.Name, Governor: r.governor.GovernorState, Predictor: predict.Save(r.predictors[0]),
		})
	}
	return c
}

// Restore implements Estimator.
func (u *usage) Restore(c *Checkpoint) error {
	if err := u.restore(c); err != nil {
		return err
	}
	var errs []error
	for _, r := range u.resources {
		if err := r.restore(c); err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %w", ErrCheckpoint, r.cfg.Name, err))
		}
	}
	return errors.Join(errs...)
}

// stateIn is what c knows of the resource, nil for nothing.
func (r *slack) stateIn(c *Checkpoint) *ResourceCheckpoint {
	if c == nil {
		return nil
	}
	i := slices.IndexFunc(c.Resources, func(s ResourceCheckpoint) bool { return s.Name == r.cfg.Name })
	if i < 0 || c.Resources[i].Governor.check(c.Clock.At, &r.cfg.Governor) != nil {
		return nil
	}
	return &c.Resources[i]
}

// restore takes up what the predictor has learned; the governor follows at the
// first tick.
func (r *slack) restore(c *Checkpoint) error {
	state := r.stateIn(c)
	switch {
	case state == nil:
		return errors.New("nothing of it, or nothing that can be")
	case state.Predictor == nil:
		return nil
	}
	return predict.Restore(r.predictors[0], state.Predictor)
}
