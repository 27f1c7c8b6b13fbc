package estimator

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
)

// Governor turns the target of each tick into what is promised of one
// resource. It cuts at once and raises rarely: a change costs the master every
// offer of the node that holds revocable resources, and what was raised too far
// is paid for with a kill.
type Governor struct {
	cfg    GovernorConfig
	least  extreme[resources.Milli]
	raised time.Time
	// wanted is since when a raise is; rises counts such times.
	wanted  time.Time
	rises   uint64
	stopped bool
	GovernorState
}

// GovernorState is what a Governor has to know to go on after a restart.
type GovernorState struct {
	// Total is what may be revocable in all.
	Total      resources.Milli `json:"revocable_total"`
	HoldOff    holdOff         `json:"hold_off"`
	Volatility volatility      `json:"volatility"`
}

// Round is what the governor is shown of one tick.
type Round struct {
	At time.Time
	// Target is what could be promised, RevocableAllocated and RegularAllocated
	// are what is allocated.
	Target, RevocableAllocated, RegularAllocated resources.Milli
	// Lapse: some reading is missing that is usually there, so that Target is low
	// for this round only. It is followed, and not remembered.
	Lapse bool
}

// NewGovernor makes a Governor that promises nothing yet.
func NewGovernor(cfg GovernorConfig) (*Governor, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	less := func(a, b resources.Milli) bool { return a < b }
	return &Governor{cfg: cfg, least: newExtreme(cfg.Hold, less)}, nil
}

// Apply takes what was done for regular tasks since the last tick.
func (g *Governor) Apply(at time.Time, f Feedback) {
	g.stopped = f.StopOffer
	if f.Acted {
		g.HoldOff.acted(at, &g.cfg)
	}
}

// Resume takes up at time at, before the first tick, what another Governor
// knew. The promise itself is not taken up: it rises from zero by steps, as
// after any blindness, and for Hold not above what it was, so that a restart
// does not hand out what a moment ago was kept back.
func (g *Governor) Resume(at time.Time, s GovernorState) {
	g.GovernorState = s
	g.Total = 0
	if g.cfg.Hold > 0 {
		g.least.add(at, s.Total.FloorTo(g.cfg.Quantum))
	}
}

// check refuses a state of time at that no Governor of this configuration has.
func (s *GovernorState) check(at time.Time, cfg *GovernorConfig) error {
	most := max(cfg.HoldOff, cfg.HoldOffMax)
	h, v := &s.HoldOff, &s.Volatility
	if s.Total < 0 || h.Doubled < 0 || h.Wait < 0 || h.Wait > most || h.Until.After(at.Add(most)) || v.Blocks < 0 || !(v.Mean >= 0 && v.Mean <= 1) {
		return fmt.Errorf("the governor's state %+v cannot be", *s)
	}
	return nil
}

// Cut promises nothing from now on, because the slack is not known. It says
// nothing about the slack, so neither the Hold window nor the volatility remembers
// it.
func (g *Governor) Cut() { g.Total = 0 }

// Next takes a round and returns what is promised, why, and from which terms:
// reason.Slack when the target alone decided, otherwise what holds it back.
// Rounds come in order of time.
func (g *Governor) Next(r Round) (resources.Milli, reason.Code, Terms) {
	t := g.terms(r)
	total, why := t.Decide(r.Target, r.RevocableAllocated)
	if total > g.Total {
		g.raised = r.At
	}
	g.Total = total
	return total, why, t
}

// terms are those of a round. They are rounded once, here, so that the record
// holds what was decided from.
func (g *Governor) terms(r Round) Terms {
	share := func(v float64) resources.Milli {
		return resources.FloorMilli(min(v, 1) * max(0, r.RegularAllocated).Float())
	}
	if !r.Lapse {
		g.Volatility.add(r.At, max(0, r.Target), r.RegularAllocated)
	}
	volatility := g.Volatility.Mean
	t := Terms{
		Before: g.Total, Least: max(0, r.Target).FloorTo(g.cfg.Quantum),
		HoldSeconds: left(r.At, g.HoldOff.Until), Stopped: g.stopped,
		Quantum:  g.cfg.Quantum,
		Step:     max(g.cfg.Step, share(g.cfg.StepShare)),
		DeadBand: max(g.cfg.DeadBand, share(min(g.cfg.BandMost, max(g.cfg.BandLeast, g.cfg.BandFactor*volatility)))),
		Reserve:  share(min(g.cfg.ReserveMost, g.cfg.ReserveFactor*volatility)),
	}
	if g.cfg.Hold > 0 && !r.Lapse {
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
