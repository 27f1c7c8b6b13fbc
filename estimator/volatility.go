package estimator

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

const (
	// volatilityEvery is what a change is measured over: the default horizon, and
	// long against the ticks, so that it does not depend on their length.
	volatilityEvery = 5 * time.Minute
	// volatilityWeight makes the mean one of the last 100 minutes or so.
	volatilityWeight = 1.0 / 20
)

// volatility is how much the slack of this node changes by itself:
//
//	mean of |m_k − m_(k−1)| / allocated,  m_k the least target of the k-th 5 min
//
// with weights that fall by a twentieth each time. A dead-band has to be wide
// against it: a rise that the next change takes back costs the master two
// messages for little. It differs by a factor of ten from node to node (calm
// services, sandboxes that come and go), so that no single band suits all.
type volatility struct {
	start  time.Time
	least  resources.Milli
	before resources.Milli
	// blocks counts those that are over.
	blocks int
	mean   float64
}

// add takes a tick's target and returns the volatility as a share of what is
// allocated.
func (u *volatility) add(at time.Time, target, allocated resources.Milli) float64 {
	switch {
	case u.start.IsZero():
		u.start, u.least = at, target
	case at.Sub(u.start) >= volatilityEvery:
		if u.blocks > 0 && allocated > 0 {
			change := math.Abs((u.least - u.before).Float()) / allocated.Float()
			u.mean += (min(change, 1) - u.mean) * max(volatilityWeight, 1/float64(u.blocks))
		}
		u.blocks++
		u.before, u.start, u.least = u.least, at, target
	}
	u.least = min(u.least, target)
	return u.mean
}

// shift moves what is remembered by d, after the clock was set.
func (u *volatility) shift(d time.Duration) {
	if !u.start.IsZero() {
		u.start = u.start.Add(d)
	}
}
