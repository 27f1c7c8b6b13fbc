package estimator

import (
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// ErrConfig is the class of errors of a configuration that cannot be used.
var ErrConfig = errors.New("invalid estimator configuration")

// GovernorConfig says how fast what is promised may follow the slack. A cut
// never waits.
type GovernorConfig struct {
	// Quantum is what a promise is a multiple of. Coarser means fewer changes
	// for the master, and up to one quantum that is not offered.
	Quantum resources.Milli
	// Step is by how much a promise rises at once, at most; at least a Quantum.
	// StepShare is the same as a share of what is allocated to regular
	// containers; the higher of the two holds.
	Step      resources.Milli
	StepShare float64
	// RaiseEvery is the time between two raises. Longer is calmer, and slower
	// to offer what has become slack.
	RaiseEvery time.Duration
	// DeadBand: a rise by less is left alone. As a share of what is allocated
	// it is BandFactor times the slack's volatility, from BandLeast to BandMost; the
	// higher of the two holds.
	DeadBand                        resources.Milli
	BandFactor, BandLeast, BandMost float64
	// ReserveFactor times the volatility, at most ReserveMost, is how far below the
	// target a changed promise is put, as a share of what is allocated, so that
	// the next small fall is no change.
	ReserveFactor, ReserveMost float64
	// Hold: a promise only rises to the least target of this time, so that a
	// short lull is not handed out. 0 holds nothing back.
	Hold time.Duration
	// Seed, other than 0, is of this node alone: the first raise of a rise is
	// put off by a part of RaiseEvery that follows from it, so that the nodes of
	// a fleet do not rise, and have their offers rescinded, all at once.
	Seed uint64
	// HoldOff is for how long nothing is raised after an action has taken
	// capacity back, doubled by each further contention up to HoldOffMax; each
	// HoldOffDecay without an action takes one doubling back. 0: no hold-off.
	HoldOff, HoldOffMax, HoldOffDecay time.Duration
}

// DefaultGovernor is the configuration for the resource when the operator says
// nothing.
//
//   - Quantum 0.1 cpus, and DeadBand 0.25 cpus, the least change that
//     Katalyst (0.3) and CPI² and Serenity (0.25 cpus of noise) act upon. For
//     mem a 64 MB quantum and a 256 MB band (Katalyst 300 Mi).
//   - Step 1 cpu or 1 GB, or a tenth of what is allocated, every 15 s, the
//     interval at which the agent asks (--oversubscribed_resources_interval):
//     koordlet raises by at most 10 % of the node a round.
//   - BandFactor 12, BandMost 15 %, ReserveFactor 1, ReserveMost 2 %: the best on public traces
//     among those that send the master a twentieth of what a raw estimator
//     would; docs/evidence/estimators.md has the measurements.
//   - Hold 15 s, one of the agent's intervals. Ten minutes, in place of the
//     dead-band's volatility, cost twice as much for twice the messages.
//   - HoldOff 5 min, as kubelet, Heracles, crane and Katalyst wait; up to an
//     hour where it keeps happening, and an hour of peace to take a doubling
//     back.
func DefaultGovernor(resource string) GovernorConfig {
	g := GovernorConfig{
		Quantum:    100,
		Step:       resources.Unit,
		StepShare:  0.1,
		RaiseEvery: 15 * time.Second,
		DeadBand:   250,
		BandFactor: 12, BandLeast: 0.01, BandMost: 0.15,
		ReserveFactor: 1, ReserveMost: 0.02,
		Hold:    15 * time.Second,
		HoldOff: 5 * time.Minute, HoldOffMax: time.Hour, HoldOffDecay: time.Hour,
	}
	if resource == resources.Mem {
		g.Quantum, g.Step, g.DeadBand = 64*resources.Unit, 1024*resources.Unit, 256*resources.Unit
	}
	return g
}

// SeedOf is the Seed of the node of that name, the same after a restart. 0, for
// a node without a name, leaves the delays out.
func SeedOf(node string) uint64 {
	if node == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(node)) // it never fails
	return h.Sum64()
}

func (c GovernorConfig) check() error {
	switch {
	case c.Quantum < 1:
		return fmt.Errorf("%w: quantum %v is below 0.001", ErrConfig, c.Quantum)
	case c.Step < c.Quantum:
		return fmt.Errorf("%w: step %v is below the quantum %v", ErrConfig, c.Step, c.Quantum)
	case c.DeadBand < 0:
		return fmt.Errorf("%w: dead-band %v is negative", ErrConfig, c.DeadBand)
	case !isShare(c.StepShare) || !isShare(c.BandLeast) || !isShare(c.BandMost) || !isShare(c.ReserveMost):
		return fmt.Errorf("%w: a governor's share is not between 0 and 1", ErrConfig)
	case c.BandLeast > c.BandMost:
		return fmt.Errorf("%w: the least dead-band %v is above the most, %v", ErrConfig, c.BandLeast, c.BandMost)
	case !isFactor(c.BandFactor) || !isFactor(c.ReserveFactor):
		return fmt.Errorf("%w: a governor's factor is not between 0 and 1000", ErrConfig)
	case c.RaiseEvery < 0 || c.Hold < 0 || c.HoldOff < 0 || c.HoldOffMax < 0 || c.HoldOffDecay < 0:
		return fmt.Errorf("%w: a governor's time is negative", ErrConfig)
	}
	return nil
}

// Neither takes what is no number.
func isShare(v float64) bool  { return v >= 0 && v <= 1 }
func isFactor(v float64) bool { return v >= 0 && v <= 1000 }
