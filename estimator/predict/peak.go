// Package predict predicts the peak of what a node's regular containers will use.
//
// One Predictor serves one resource of one node. Each tick it is shown the
// regular containers that are present and answers with the predicted peak of
// their summed demand over its horizon. Predictors are the table in table.go;
// adding one is one file, one row there, one section in docs/internals/estimators.md and
// its cases.
//
// Invariants:
//   - Pure: no I/O, no clock, no randomness. Time comes with the Step, so a
//     replay of recorded steps gives the very same numbers.
//   - The prediction is between the present sum of demands (each capped at its
//     allocation) and the sum of allocations.
//   - A container that is Cold, or whose demand is not Known at this step,
//     counts at its full allocation: blindness never makes slack.
//   - No allocation per step once the containers are known.
package predict

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Predictor predicts the peak of the summed demand of the regular containers
// of one node, for one resource.
type Predictor interface {
	// Predict takes the next step and returns the predicted peak, in units of
	// the resource (cores, MB). Steps come in order of time. It keeps nothing
	// of step.Containers, whose backing array is reused.
	Predict(step Step) float64
}

// Step is what a predictor is shown at one tick.
type Step struct {
	// At is the time of the tick.
	At time.Time
	// Containers are the regular containers present, sorted by Key.
	Containers []Container
}

// Container is one regular container at one step, in units of the resource.
type Container struct {
	snapshot.Key
	// Allocated is what the agent allocated to it, above zero.
	Allocated float64
	// Demand is what it used, plus what it visibly wanted and did not get. It
	// may exceed Allocated. It means nothing when Known is false.
	Demand float64
	// Known: there is a usable reading at this step.
	Known bool
	// Cold: the container is too young to be trusted. Its Demand is still
	// worth remembering.
	Cold bool
}

// Config is what a predictor is made from; each predictor documents which of
// the fields it uses.
type Config struct {
	// Interval is the expected time between steps.
	Interval time.Duration
	// Window is how far back a windowed predictor looks.
	Window time.Duration
	// Margin is a relative or absolute safety margin, by predictor.
	Margin float64
	// Horizon is how far ahead the peak is predicted.
	Horizon time.Duration
	// TargetViolation is the share of steps, 0 to 1, in which the true peak may
	// exceed the prediction.
	TargetViolation float64
	// Share is the part of the allocation that a fixed predictor counts as used.
	Share float64
	// Percentile, 0 to 1, is what a percentile predictor takes.
	Percentile float64
	// EarlyTarget is the target for the first 24 hours of a predictor that starts
	// from nothing, when it is stricter; 0: 0.4 of TargetViolation.
	EarlyTarget float64
	// Score: its predictions are compared with what comes, see ScoreOf. It takes
	// a Horizon.
	Score bool
}
