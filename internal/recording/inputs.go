package recording

import (
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// Tick is one tick of a recording.
type Tick struct {
	*snapshot.Snapshot
	// Wall is the time of the tick by the calendar. The times of a snapshot
	// that is read are only as far apart as they were.
	Wall time.Time
	// Inputs is nil when it was not recorded.
	Inputs *Inputs
}

// Inputs is what a tick was decided on besides its snapshot and the ticks
// before.
type Inputs struct {
	// Policy is the hash of the policy in force, Policies counts how often one
	// was loaded.
	Policy   string
	Policies int
	Orders   qos.Commands
	// InFlight are the kills under way.
	InFlight []qos.InFlight
	// After is how many were under way after the tick.
	After int
	// Start is what the daemon began with, at its first tick; nil at the others.
	Start *Start
}

// InputsOf is what the recording of a tick needs besides its snapshot.
func InputsOf(r *decision.Record, start *Start) *Inputs {
	in := &Inputs{After: r.InFlight, Start: start}
	in.Policy, in.Policies, in.Orders = r.PolicyHash, r.Loads, r.Commands
	for i := range r.Dying {
		in.InFlight = append(in.InFlight, r.Dying[i].InFlight)
	}
	return in
}

// Start is what a daemon began with.
type Start struct {
	// Checkpoint is what the estimator had learned, as the daemon keeps it in its
	// file; empty for nothing.
	Checkpoint []byte
	// Seed is what the node waits by before it raises an offer.
	Seed uint64
	// Decisions is what they had to remember, a qos.Resume as JSON; empty for
	// nothing.
	Decisions []byte
}
