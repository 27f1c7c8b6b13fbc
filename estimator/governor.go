package estimator

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
)

// Governor turns the target of each tick into what is promised of one
// resource. It cuts at once and raises rarely: a change costs the master every
// offer of the node that holds revocable resources, and what was raised too far
// is paid for with a kill.
type Governor struct {
	cfg        GovernorConfig
	least      extreme[resources.Milli]
	volatility volatility
	total      resources.Milli
	last       time.Time
	raised     time.Time
	holdOff    holdOff
	stopped    bool
	// wanted is since when a raise is; rises counts such times.
	wanted time.Time
	rises  uint64
}

// Round is what the governor is shown of one tick.
type Round struct {
	At time.Time
	// Target is what could be promised, RevocableAllocated and RegularAllocated
	// are what is allocated.
	Target, RevocableAllocated, RegularAllocated resources.Milli
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

// Apply takes what was done for regular tasks since the last tick.
func (g *Governor) Apply(f Feedback) {
	g.stopped = f.StopOffer
	if f.Acted {
		g.holdOff.acted(f.At)
	}
}

// Total is what may be revocable in all.
func (g *Governor) Total() resources.Milli { return g.total }

// HeldUntil is when raises may begin again after an action.
func (g *Governor) HeldUntil() time.Time { return g.holdOff.until }

// Remember takes up, before the first tick, what another Governor promised
// last: for Hold no more is promised than that, and nothing is raised before
// heldUntil. One that is further off than an action can hold is a clock's
// fault, and is cut to that.
func (g *Governor) Remember(at time.Time, total resources.Milli, heldUntil time.Time) {
	if most := at.Add(max(g.cfg.HoldOff, g.cfg.HoldOffMax)); heldUntil.After(most) {
		heldUntil = most
	}
	if heldUntil.After(at) {
		g.holdOff.until = at.Add(heldUntil.Sub(at)) // from now on by the clock of at
	}
	if g.cfg.Hold > 0 {
		g.least.add(at, max(0, total).FloorTo(g.cfg.Quantum))
	}
}

// Cut promises nothing from now on, because the slack is not known. It says
// nothing about the slack, so neither the Hold window nor the volatility remembers
// it.
func (g *Governor) Cut(at time.Time) {
	g.follow(at)
	g.total = 0
}

// Next takes a round and returns what is promised, why, and from which terms:
// reason.Slack when the target alone decided, otherwise what holds it back.
// Rounds come in order of time; after a clock that was set back, the waiting
// times go on from there.
func (g *Governor) Next(r Round) (resources.Milli, reason.Code, Terms) {
	g.follow(r.At)
	t := g.terms(r)
	total, why := t.Decide(r.Target, r.RevocableAllocated)
	if total > g.total {
		g.raised = r.At
	}
	g.total = total
	return total, why, t
}

// terms are those of a round. They are rounded once, here, so that the record
// holds what was decided from.
func (g *Governor) terms(r Round) Terms {
	share := func(v float64) resources.Milli {
		return resources.FloorMilli(min(v, 1) * max(0, r.RegularAllocated).Float())
	}
	volatility := g.volatility.add(r.At, max(0, r.Target), r.RegularAllocated)
	t := Terms{
		Before: g.total, Least: max(0, r.Target).FloorTo(g.cfg.Quantum),
		HoldSeconds: left(r.At, g.holdOff.until), Stopped: g.stopped,
		Quantum:  g.cfg.Quantum,
		Step:     max(g.cfg.Step, share(g.cfg.StepShare)),
		DeadBand: max(g.cfg.DeadBand, share(min(g.cfg.BandMost, max(g.cfg.BandLeast, g.cfg.BandFactor*volatility)))),
		Reserve:  share(min(g.cfg.ReserveMost, g.cfg.ReserveFactor*volatility)),
	}
	if g.cfg.Hold > 0 {
		t.Least = g.least.add(r.At, t.Least)
	}
	if !g.raised.IsZero() {
		t.RaiseSeconds = left(r.At, g.raised.Add(g.cfg.RaiseEvery))
	}
	if !t.rises() {
		g.wanted = time.Time{}
		return t
	}
	if g.wanted.IsZero() {
		g.wanted = r.At
		g.rises++
	}
	t.RaiseSeconds = max(t.RaiseSeconds, left(r.At, g.wanted.Add(g.jitter())))
	return t
}

// left is for how many seconds after at until is, 0 when it is not.
func left(at, until time.Time) float64 { return max(0, until.Sub(at).Seconds()) }

// jitter is how long this rise waits before its first raise: evenly spread over
// RaiseEvery among nodes with other seeds, and among the rises of one.
func (g *Governor) jitter() time.Duration {
	if g.cfg.Seed == 0 {
		return 0
	}
	// The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
	x := g.cfg.Seed + g.rises*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return time.Duration(float64(x>>11) / (1 << 53) * float64(g.cfg.RaiseEvery))
}

// follow moves the governor's times when the clock was set back.
func (g *Governor) follow(at time.Time) {
	if back := g.last.Sub(at); back > 0 && !g.last.IsZero() {
		g.least.shift(-back)
		g.holdOff.shift(-back)
		g.volatility.shift(-back)
		for _, t := range []*time.Time{&g.raised, &g.wanted} {
			if !t.IsZero() {
				*t = t.Add(-back)
			}
		}
	}
	g.last = at
}
