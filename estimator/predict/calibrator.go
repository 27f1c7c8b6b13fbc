package predict

import (
	"fmt"
	"math"
	"time"
)

// Constants of the calibration; the ablations are in docs/internals/estimators.md. All
// lengths of residuals are in units of S = sqrt(Σ a_i²), see tce.
const (
	// residualHalfLife is how fast residuals are forgotten.
	residualHalfLife = 7 * 24 * time.Hour
	// tailSamples is how many samples above a quantile make it trustworthy;
	// beyond the quantile with so many, the tail is extrapolated.
	tailSamples = 6
	// tailMean and tailWeight are the prior of the tail's mean excess: so many
	// samples of that excess.
	tailMean, tailWeight = 0.074, 6
	// priorBase and priorSlope give the margin before anything was learned.
	priorBase, priorSlope = 0.37, 0.22
	// correction is the weight of the finite-sample correction, and
	// correctionFloor the share of the target below which it does not go; less
	// for targets below 0.3 %, which are all extrapolation.
	correction, correctionFloor = 0.7, 0.3
)

// calibrator learns the margin of each expert from what came true.
//
// The margin q(α) is the upper α'-quantile of the residuals, with
//
//	α' = max(α − 0.7·(1−α)/m, min(0.3, 100·α)·α)
//
// where m is the number of horizons observed: the next of m exchangeable
// values exceeds the empirical α-quantile with probability up to α + (1−α)/m
// (split conformal prediction: Vovk et al. 2005; Lei et al. 2018), and truths
// of overlapping horizons are not independent, so that m counts horizons, not
// samples. Above the quantile p = min(¼, 6/n) the tail is taken as exponential
// (peaks over threshold), with a prior on its mean excess β:
//
//	q = u_p + β·ln(p/α'),  β = (Σ excess + w·β₀)/(count + w)
//
// Until α·n = 1 it fades in from a margin that assumes nothing. q falls with
// α everywhere.
type calibrator struct {
	Residuals [experts]residuals `json:"residuals"`
	// Weight is that of a sample now; it grows instead of the old ones decaying.
	Weight float64 `json:"weight"`
	// Samples and Horizons are the decayed counts.
	Samples  float64   `json:"samples"`
	Horizons float64   `json:"horizons"`
	Last     time.Time `json:"last"`
}

// learn takes the truth about a promise.
func (c *calibrator) learn(o *promise, horizon time.Duration) {
	fresh := 1.0
	if !c.Last.IsZero() {
		elapsed := o.at.Sub(c.Last)
		decay := math.Exp2(-elapsed.Seconds() / residualHalfLife.Seconds())
		c.Weight /= decay
		c.Samples *= decay
		c.Horizons *= decay
		fresh = min(1, elapsed.Seconds()/horizon.Seconds())
	}
	c.Last = o.at
	c.Samples++
	c.Horizons += fresh
	if c.Weight > 1e9 {
		for k := range c.Residuals {
			c.Residuals[k].scale(1 / c.Weight)
		}
		c.Weight = 1
	}
	truth := o.truth / o.allocated
	for k := range c.Residuals {
		c.Residuals[k].add((truth-o.f[k])/o.scale, c.Weight)
	}
}

// margin is that of expert k for target alpha, in units of S.
func (c *calibrator) margin(k int, alpha float64) float64 {
	prior := priorBase + priorSlope*math.Log(0.05/alpha)
	if c.Samples < 1 {
		return max(0, prior)
	}
	floor := min(correctionFloor, 100*alpha)
	corrected := max(alpha-correction*(1-alpha)/c.Horizons, floor*alpha)
	h := &c.Residuals[k]
	p := min(0.25, tailSamples/c.Samples)
	var q float64
	if corrected >= p {
		q = h.above(corrected).quantile
	} else {
		t := h.above(p)
		excess := (t.excess/c.Weight + tailWeight*tailMean) / (t.weight/c.Weight + tailWeight)
		q = t.quantile + excess*math.Log(p/corrected)
	}
	if seen := alpha * c.Samples; seen < 1 {
		q = max(q, seen*q+(1-seen)*prior)
	}
	return max(0, q)
}

// check refuses what no calibrator can have learned.
func (c *calibrator) check() error {
	ok := func(v float64) bool { return v >= 0 && v < 1e9 }
	if !ok(c.Samples) || !ok(c.Horizons) || c.Horizons > c.Samples || c.Last.IsZero() != (c.Samples == 0) || !(c.Weight >= 1 && c.Weight <= 1e9) {
		return fmt.Errorf("calibration from %v samples of %v horizons at weight %v", c.Samples, c.Horizons, c.Weight)
	}
	for k := range c.Residuals {
		h := &c.Residuals[k]
		total := 0.0
		for b, w := range &h.Weight {
			if !(w >= 0) || math.Abs(h.Sum[b]) > 1e9*c.Weight {
				return fmt.Errorf("expert %d has residuals of weight %v and sum %v", k, w, h.Sum[b])
			}
			total += w
		}
		most := 1e-6 * (1 + c.Samples)
		if !(math.Abs(total-h.Total)/c.Weight <= most && math.Abs(total/c.Weight-c.Samples) <= most) {
			return fmt.Errorf("expert %d has %v samples of %v", k, total/c.Weight, c.Samples)
		}
	}
	return nil
}
