package predict

import "time"

// Defaults of node-percentile.
const (
	nodePercentileDefault = 0.99
	nodePercentileMargin  = 0.15
)

// nodePercentile predicts
//
//	P = (1+margin)·A·percentile_p(h)
//
// with h a decaying histogram of U/A. Uses Percentile (default 0.99), Margin
// (default 0.15) and Window as the half-life (default 24 h).
type nodePercentile struct {
	percentile, margin float64
	halfLife           time.Duration
	edges              *[decayingBuckets]float64
	shares             decaying
}

func newNodePercentile(cfg Config) (model, error) {
	return &nodePercentile{
		percentile: or(cfg.Percentile, nodePercentileDefault), margin: or(cfg.Margin, nodePercentileMargin),
		halfLife: cfg.windowOr(vpaHalfLife), edges: decayingEdges(),
	}, nil
}

func (m *nodePercentile) predict(v *view) float64 {
	m.shares.decay(decayOver(v.elapsed, m.halfLife))
	if v.allocated <= 0 {
		return 0
	}
	m.shares.add(v.used/v.allocated, 1)
	return v.allocated * m.shares.percentile(m.percentile, m.edges) * (1 + m.margin)
}
