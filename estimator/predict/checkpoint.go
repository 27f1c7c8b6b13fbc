package predict

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrCheckpoint is the class of errors of a Checkpoint that cannot be used.
var ErrCheckpoint = errors.New("unusable checkpoint")

// Checkpoint is what a predictor has learned, to go on from after a restart.
// Predictions whose horizon is not over are not in it: what comes while nobody
// looks is not known.
type Checkpoint struct {
	Predictor string `json:"predictor"`
	// At is the time of the last step.
	At time.Time `json:"at"`
	// State is the JSON of the model's state.
	State json.RawMessage `json:"state"`
}

// learner is a Model whose state is worth keeping over a restart.
type learner interface {
	Model
	// state is what to keep, for encoding/json.
	state() any
	// restored is a fresh Model of the same Config that goes on from a state
	// that was kept at time at.
	restored(state []byte, at time.Time) (Model, error)
}

// Save returns what p has learned; nil when it has nothing to keep, or has
// not seen a step.
func Save(p Predictor) *Checkpoint {
	g, ok := p.(*guard)
	if !ok || g.last.IsZero() {
		return nil
	}
	l, ok := g.model.(learner)
	if !ok {
		return nil
	}
	state, err := json.Marshal(l.state())
	if err != nil {
		return nil // a number that is not finite, which Restore would refuse
	}
	return &Checkpoint{Predictor: g.name, At: g.last, State: state}
}

// Restore lets p, freshly made, go on from c. On an error, which is an
// ErrCheckpoint, p is as fresh as before. The time between c and the next step
// counts as missing ticks.
func Restore(p Predictor, c *Checkpoint) error {
	g, ok := p.(*guard)
	if !ok || c == nil {
		return fmt.Errorf("%w: none, or not of a predictor of this package", ErrCheckpoint)
	}
	l, ok := g.model.(learner)
	switch {
	case !ok:
		return fmt.Errorf("%w: %s keeps nothing", ErrCheckpoint, g.name)
	case !g.last.IsZero():
		return fmt.Errorf("%w: the predictor has begun already", ErrCheckpoint)
	case c.Predictor != g.name:
		return fmt.Errorf("%w: of %q, not %q", ErrCheckpoint, c.Predictor, g.name)
	case c.At.IsZero():
		return fmt.Errorf("%w: it has no time", ErrCheckpoint)
	}
	model, err := l.restored(c.State, c.At)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	g.model, g.last = model, c.At
	return nil
}
