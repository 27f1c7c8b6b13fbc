package estimator

import (
	"errors"
	"fmt"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
)

// CheckpointVersion is that of the Checkpoints that Save makes; Restore takes
// no other.
const CheckpointVersion = 1

// ErrCheckpoint is the class of errors of a Checkpoint that cannot be used.
var ErrCheckpoint = errors.New("unusable checkpoint")

// Checkpoint is what an estimator has to know to go on after a restart. It is
// made for encoding/json and shares nothing with the estimator.
type Checkpoint struct {
	Version   int                  `json:"version"`
	At        time.Time            `json:"at"`
	Resources []ResourceCheckpoint `json:"resources"`
}

// ResourceCheckpoint is the state of one resource.
type ResourceCheckpoint struct {
	Name string `json:"name"`
	// RevocableTotal is what was promised.
	RevocableTotal resources.Milli `json:"revocable_total"`
	// HoldUntil is when raises may begin again after an action.
	HoldUntil time.Time `json:"hold_until,omitzero"`
	// Predictor is what it has learned; nil when it has nothing to keep.
	Predictor *predict.Checkpoint `json:"predictor,omitempty"`
}

// Keeper is an Estimator that can be asked for a Checkpoint.
type Keeper interface {
	Estimator
	// Save is the state after the last tick, nil before the first.
	Save() *Checkpoint
	// Restore goes on from c, before the first tick. What can be used is used,
	// resource by resource; the error, an ErrCheckpoint, says what cannot.
	Restore(c *Checkpoint, now time.Time) error
}

// Save implements Keeper.
func (u *usage) Save() *Checkpoint {
	if u.last.IsZero() {
		return nil
	}
	c := &Checkpoint{Version: CheckpointVersion, At: u.last}
	for _, r := range u.resources {
		c.Resources = append(c.Resources, ResourceCheckpoint{
			Name: r.cfg.Name, RevocableTotal: r.governor.Total(), HoldUntil: r.governor.HeldUntil(), Predictor: predict.Save(r.predictors[0].predictor),
		})
	}
	return c
}

// Restore implements Keeper.
//
// The promise itself is not taken up again: it rises from zero by steps, as
// after any blindness. But what it was counts as the slack of that moment, so
// that for the governor's Hold it does not rise above it, and not at all as
// long as an action held it: a restart must not hand out what a moment ago was
// held back.
func (u *usage) Restore(c *Checkpoint, now time.Time) error {
	switch {
	case c == nil:
		return fmt.Errorf("%w: there is none", ErrCheckpoint)
	case c.Version != CheckpointVersion:
		return fmt.Errorf("%w: version %d, want %d", ErrCheckpoint, c.Version, CheckpointVersion)
	case !u.last.IsZero():
		return fmt.Errorf("%w: the estimator has begun already", ErrCheckpoint)
	case c.At.After(now):
		return fmt.Errorf("%w: its time %s is not before now, %s", ErrCheckpoint, c.At, now)
	}
	var errs []error
	for _, r := range u.resources {
		if err := r.restore(c, now); err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %w", ErrCheckpoint, r.cfg.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *slack) restore(c *Checkpoint, now time.Time) error {
	for i := range c.Resources {
		if c.Resources[i].Name != r.cfg.Name {
			continue
		}
		r.governor.Remember(now, c.Resources[i].RevocableTotal, c.Resources[i].HoldUntil)
		if c.Resources[i].Predictor == nil {
			return nil
		}
		return predict.Restore(r.predictors[0].predictor, c.Resources[i].Predictor, now)
	}
	return errors.New("it is not in it")
}
