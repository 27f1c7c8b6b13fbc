package predict

import "time"

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
	edges              *[decayingBuckets]float64
	roster             roster[decaying]
	// byLoad: a sample weighs as much as it uses (autopilot).
	byLoad bool
}

func newVPA(cfg Config) (model, error) {
	return &vpa{
		percentile: or(cfg.Percentile, vpaPercentile), margin: or(cfg.Margin, vpaMargin),
		halfLife: cfg.windowOr(vpaHalfLife), edges: decayingEdges(),
	}, nil
}

func (m *vpa) predict(v *view) float64 {
	states := m.roster.match(v.containers)
	by := decayOver(v.elapsed, m.halfLife)
	peak := 0.0
	for i := range v.containers {
		c, h := &v.containers[i], states.of(i)
		h.decay(by)
		if c.Known && c.Allocated > 0 {
			share := c.Demand / c.Allocated
			weight := float32(1)
			if m.byLoad {
				weight = float32(max(share, 1e-3))
			}
			h.add(share, weight)
		}
		if c.counts {
			peak += min(h.percentile(m.percentile, m.edges)*(1+m.margin), 1) * c.Allocated
		}
	}
	return peak
}
