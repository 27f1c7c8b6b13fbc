package estimator

import (
	"errors"
	"fmt"
	"time"

	"github.com/estimatord/estimatord/reason"
	"github.com/estimatord/estimatord/resources"
)

// ErrConfig is the class of errors of a configuration that cannot be used.
var ErrConfig = errors.New("invalid estimator configuration")

// GovernorConfig says how fast what is promised may follow the slack. A cut is
// never held back.
type GovernorConfig struct {
	// Quantum is what a promise is a multiple of. Coarser means fewer changes
	// for the master, and up to one quantum that is not offered.
	Quantum resources.Milli
	// Step is by how much a promise rises at once, at most; at least a Quantum.
	Step resources.Milli
	// RaiseEvery is the time between two raises. Longer is calmer, and slower
	// to offer what has become free.
	RaiseEvery time.Duration
	// DeadBand: a rise by less is left alone.
	DeadBand resources.Milli
	// Hold: a promise only rises to the least target of this time, so that a
	// short lull is not handed out. 0 holds nothing back.
	Hold time.Duration
	// HoldOff is for how long nothing is raised after an action has taken
	// capacity back, doubled by each further one up to HoldOffMax; each
	// HoldOffDecay without an action takes one doubling back. 0: no hold-off.
	HoldOff, HoldOffMax, HoldOffDecay time.Duration
}

// DefaultGovernor is the configuration for the resource when the operator says
// nothing.
//
//   - Quantum 0.1 cpus, and DeadBand 0.25 cpus, the least change that
//     Katalyst (0.3) and CPI² and Serenity (0.25 cpus of noise) act upon. For
//     mem a 64 MB quantum and a 256 MB band (Katalyst 300 Mi).
//   - Step 1 cpu or 1 GB every 15 s, the interval at which the agent asks
//     (--oversubscribed_resources_interval): koordlet raises by at most 10 % of
//     the node a round, which is this for ten cores.
//   - Hold 10 min: replayed on public traces, reporting the least value of ten
//     minutes with a dead-band cut the revoked volume to a sixth and the squeeze
//     of regular tasks to a quarter, for six points of goodput.
//   - HoldOff 5 min, as kubelet, Heracles, crane and Katalyst wait; up to an
//     hour where it keeps happening, and an hour of peace to take a doubling
//     back.
func DefaultGovernor(resource string) GovernorConfig {
	g := GovernorConfig{
		Quantum:    100,
		Step:       resources.Unit,
		RaiseEvery: 15 * time.Second,
		DeadBand:   250,
		Hold:       10 * time.Minute,
		HoldOff:    5 * time.Minute, HoldOffMax: time.Hour, HoldOffDecay: time.Hour,
	}
	if resource == resources.Mem {
		g.Quantum, g.Step, g.DeadBand = 64*resources.Unit, 1024*resources.Unit, 256*resources.Unit
	}
	return g
}

func (c GovernorConfig) check() error {
	switch {
	case c.Quantum < 1:
		return fmt.Errorf("%w: quantum %v is below 0.001", ErrConfig, c.Quantum)
	case c.Step < c.Quantum:
		return fmt.Errorf("%w: step %v is below the quantum %v", ErrConfig, c.Step, c.Quantum)
	case c.DeadBand < 0:
		return fmt.Errorf("%w: dead-band %v is negative", ErrConfig, c.DeadBand)
	case c.RaiseEvery < 0 || c.Hold < 0 || c.HoldOff < 0 || c.HoldOffMax < 0 || c.HoldOffDecay < 0:
		return fmt.Errorf("%w: a governor's time is negative", ErrConfig)
	}
	return nil
}

// Governor turns the target of each tick into what is promised of one
// resource. It cuts at once and raises in steps: a change costs the master
// every offer of the node that holds revocable resources, and what was raised
// too far is paid for with a kill.
type Governor struct {
	cfg     GovernorConfig
	least   extreme[resources.Milli]
	gross   resources.Milli
	last    time.Time
	raised  time.Time
	holdOff holdOff
	stopped bool
}

// NewGovernor makes a Governor that promises nothing yet.
func NewGovernor(cfg GovernorConfig) (*Governor, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	less := func(a, b resources.Milli) bool { return a < b }
	return &Governor{
		cfg: cfg, least: newExtreme(cfg.Hold, less),
		holdOff: holdOff{first: cfg.HoldOff, most: cfg.HoldOffMax, decay: cfg.HoldOffDecay},
	}, nil
}

// Hear takes what was done for regular tasks since the last tick.
func (g *Governor) Hear(f Feedback) {
	g.stopped = f.StopOffer
	if f.Acted {
		g.holdOff.acted(f.At)
	}
}

// Gross is what is promised.
func (g *Governor) Gross() resources.Milli { return g.gross }

// Remember takes up, before the first tick, what another Governor promised
// last: for Hold no more is promised than that.
func (g *Governor) Remember(at time.Time, gross resources.Milli) {
	if g.cfg.Hold > 0 {
		g.least.add(at, max(0, gross).FloorTo(g.cfg.Quantum))
	}
}

// Cut promises nothing from now on, because the slack is not known. It says
// nothing about the slack, so the Hold window does not remember it.
func (g *Governor) Cut(at time.Time) {
	g.follow(at)
	g.gross = 0
}

// Next takes the target of a tick and what is held as revocable, and returns
// what is promised, why, and from which terms: reason.Slack when it is the
// whole target, otherwise what holds it back. Ticks come in order of time;
// after a clock that was set back, the waiting times go on from there.
func (g *Governor) Next(at time.Time, target, held resources.Milli) (resources.Milli, reason.Code, Terms) {
	g.follow(at)
	t := Terms{
		At: at, Before: g.gross, Least: max(0, target).FloorTo(g.cfg.Quantum),
		HoldUntil: g.holdOff.until, Stopped: g.stopped,
		Quantum: g.cfg.Quantum, Step: g.cfg.Step, DeadBand: g.cfg.DeadBand,
	}
	if g.cfg.Hold > 0 {
		t.Least = g.least.add(at, t.Least)
	}
	if !g.raised.IsZero() {
		t.RaiseFrom = g.raised.Add(g.cfg.RaiseEvery)
	}
	gross, why := t.decide(target, held)
	if gross > g.gross {
		g.raised = at
	}
	g.gross = gross
	return gross, why, t
}

// follow moves the governor's times when the clock was set back.
func (g *Governor) follow(at time.Time) {
	if back := g.last.Sub(at); back > 0 && !g.last.IsZero() {
		g.least.shift(-back)
		g.holdOff.shift(-back)
		if !g.raised.IsZero() {
			g.raised = g.raised.Add(-back)
		}
	}
	g.last = at
}
