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
	// Start is that of the 5 min under way, Least their least target so far,
	// Before that of those before.
	Start  time.Time       `json:"start"`
	Least  resources.Milli `json:"least"`
	Before resources.Milli `json:"before"`
	// Blocks counts those that are over.
	Blocks int `json:"blocks"`
	// Mean is the volatility, as a share of what is allocated.
	Mean float64 `json:"mean"`
}

// add takes a tick's target.
func (v *volatility) add(at time.Time, target, allocated resources.Milli) {
	switch {
	case v.Start.IsZero():
		v.Start, v.Least = at, target
	case at.Sub(v.Start) >= volatilityEvery:
		if v.Blocks > 0 && allocated > 0 {
			change := math.Abs((v.Least - v.Before).Float()) / allocated.Float()
			v.Mean += (min(change, 1) - v.Mean) * max(volatilityWeight, 1/float64(v.Blocks))
		}
		v.Blocks++
		v.Before, v.Start, v.Least = v.Least, at, target
	}
	v.Least = min(v.Least, target)
}
