package predict

import (
	"math"
	"time"
)

// The prior of a margin: how far a container rises above its present demand
// within the horizon, as a share of its allocation, where nothing is known of it.
// It was learned from half of the nodes of the public traces (AgentCgroup,
// Bitbrains rnd, Google 2011, PlanetLab), of which nothing but these constants
// is kept. What a container exceeded in 1 % of its steps there, and what the
// prior says:
//
//	horizon               15 s    5 min   15 min   1 h
//	least and most        0.11    0.14    0.29     0.29
//	of the sources        0.27    0.55    0.73     1.00
//	the prior             0.14    0.34    0.48     0.72
//
// Between 2 % and 40 % of the allocation the present use made no difference that
// all sources agree on, and neither did the age beyond two minutes: a prior by
// both was no better on the other half. Rises of several containers add up as a root of
// squares, so that the unit is S (see tce).
const (
	priorBase, priorSlope = 0.37, 0.22
	priorHorizon          = time.Hour
	priorPower            = 0.3
	// tailMean is the mean excess of the tail above a quantile at horizons from
	// tailHorizon on. Below it shrinks with the prior, which else the first sample
	// would raise.
	tailMean    = 0.074
	tailHorizon = 5 * time.Minute
)

// priorMargin is the prior for target alpha.
func priorMargin(alpha float64, horizon time.Duration) float64 {
	return (priorBase + priorSlope*math.Log(0.05/alpha)) * math.Pow(horizon.Seconds()/priorHorizon.Seconds(), priorPower)
}

// tailPrior is the prior of the tail's mean excess.
func tailPrior(horizon time.Duration) float64 {
	return tailMean * math.Pow(min(1, horizon.Seconds()/tailHorizon.Seconds()), priorPower)
}

// Learning is for how long yet p, as of its last step, relies on what other machines
// have shown; 0 for one that does not.
func Learning(p Predictor) time.Duration {
	if g, ok := p.(*guard); ok {
		if l, ok := g.model.(interface{ learning(v *View) time.Duration }); ok && !g.last.IsZero() {
			return l.learning(&g.view)
		}
	}
	return 0
}
