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
	// tailWeight is how many samples the prior of the tail's mean excess counts as.
	tailWeight = 6
	// correction is the weight of the finite-sample correction, and
	// correctionFloor the share of the target below which it does not go; less
	// for targets below 0.3 %, which are all extrapolation.
	correction, correctionFloor = 0.7, 0.3
	// reliefFrom and reliefOver are the horizons after which what was realised
	// begins to count against the correction, and within which it comes to count
	// in full: one day of an hour's horizon each. Before 1/α of them a rate below α
	// says little.
	reliefFrom, reliefOver = 24, 24
	// reliefEnd: a rate of α/reliefEnd leaves the whole correction.
	reliefEnd = 1.5
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
// samples. That is the worst case; where what was predicted is exceeded at a
// rate v below α/1.5, α' moves from there towards α by a share of 1 − 1.5·v/α.
// Above the quantile p = min(¼, 6/n) the tail is taken as exponential
// (peaks over threshold), with a prior on its mean excess β:
//
//	q = u_p + β·ln(p/α'),  β = (Σ excess + w·β₀)/(count + w)
//
// Until α·n = 1 it fades in from the prior. q falls with α everywhere.
type calibrator struct {
	Residuals [experts]residuals `json:"residuals"`
	// Weight is that of a sample now; it grows instead of the old ones decaying.
	Weight float64 `json:"weight"`
	// Samples, Horizons and Exceeded are the decayed counts, the last of the
	// predictions that demand rose above.
	Samples  float64   `json:"samples"`
	Horizons float64   `json:"horizons"`
	Exceeded float64   `json:"exceeded"`
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
		c.Exceeded *= decay
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
	if truth > o.mixed+violationTolerance {
		c.Exceeded++
	}
	for k := range c.Residuals {
		c.Residuals[k].add((truth-o.f[k])/o.scale, c.Weight)
	}
}

// margin is that of expert k for target alpha, in units of S.
func (c *calibrator) margin(k int, alpha float64, horizon time.Duration) float64 {
	prior := priorMargin(alpha, horizon)
	if c.Samples < 1 {
		return max(0, prior)
	}
	corrected := c.corrected(alpha)
	h := &c.Residuals[k]
	p := min(0.25, tailSamples/c.Samples)
	var q float64
	if corrected >= p {
		q = h.above(corrected).quantile
	} else {
		t := h.above(p)
		excess := (t.excess/c.Weight + tailWeight*tailPrior(horizon)) / (t.weight/c.Weight + tailWeight)
		q = t.quantile + excess*math.Log(p/corrected)
	}
	if seen := alpha * c.Samples; seen < 1 {
		q = max(q, seen*q+(1-seen)*prior)
	}
	return max(0, q)
}

// corrected is α', the share of the residuals that may be above the margin.
func (c *calibrator) corrected(alpha float64) float64 {
	floor := min(correctionFloor, 100*alpha)
	least := max(alpha-correction*(1-alpha)/c.Horizons, floor*alpha)
	known := min(1, max(0, c.Horizons-reliefFrom)/reliefOver) * min(1, alpha*c.Horizons)
	return least + (alpha-least)*known*max(0, 1-reliefEnd*c.Exceeded/c.Samples/alpha)
}

// missing is how many samples the margin for alpha takes yet to do without the
// prior.
func (c *calibrator) missing(alpha float64) float64 { return max(0, 1/alpha-c.Samples) }

// check refuses what no calibrator can have learned.
func (c *calibrator) check() error {
	ok := func(v float64) bool { return v >= 0 && v < 1e9 }
	if !ok(c.Samples) || !ok(c.Horizons) || c.Horizons > c.Samples || !ok(c.Exceeded) || c.Exceeded > c.Samples || c.Last.IsZero() != (c.Samples == 0) || !(c.Weight >= 1 && c.Weight <= 1e9) {
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
