package predict

import (
	"cmp"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// Defaults of vpa: the percentile and margin of the vertical pod autoscaler's
// upper bound (pkg/recommender/logic/recommender.go: 0.95, 15 %) and the
// half-life of its histograms (24 h).
const (
	vpaPercentile = 0.95
	vpaMargin     = 0.15
	vpaHalfLife   = 24 * time.Hour
)

// vpa predicts
//
//	P = (1+margin)·Σ_i a_i·percentile_p(h_i)
//
// with h_i a decaying histogram of u_i/a_i. Uses Percentile (default 0.95),
// Margin (default 0.15) and Window as the half-life (default 24 h).
type vpa struct {
	percentile, margin float64
	halfLife           time.Duration
	states             predict.PerContainer[predict.Decaying]
	// byLoad: a sample weighs as much as it uses (autopilot).
	byLoad bool
}

func newVPA(cfg predict.Config) (predict.Model, error) {
	return &vpa{
		percentile: cmp.Or(cfg.Percentile, vpaPercentile), margin: cmp.Or(cfg.Margin, vpaMargin),
		halfLife: cfg.WindowOr(vpaHalfLife),
	}, nil
}

func (m *vpa) Predict(v *predict.View) float64 {
	states := m.states.Match(v.Containers)
	by := predict.DecayOver(v.Elapsed, m.halfLife)
	peak := 0.0
	for i := range v.Containers {
		c, h := &v.Containers[i], states.Of(i)
		h.Decay(by)
		if c.Known && c.Allocated > 0 {
			share := c.Demand / c.Allocated
			weight := float32(1)
			if m.byLoad {
				weight = float32(max(share, 1e-3))
			}
			h.Add(share, weight)
		}
		if c.Counts {
			peak += min(h.Percentile(m.percentile)*(1+m.margin), 1) * c.Allocated
		}
	}
	return peak
}
