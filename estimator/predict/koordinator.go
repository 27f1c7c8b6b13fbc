package predict

import "time"

// Defaults of koordinator (pkg/koordlet/prediction: p95 for CPU, 10 % margin,
// half-life 12 h). Its cold start of 24 h is left to Cold.
const (
	koordinatorPercentile = 0.95
	koordinatorMargin     = 0.10
	koordinatorHalfLife   = 12 * time.Hour
)

// koordinator predicts
//
//	P = (1+margin)·max(Σ_i a_i·percentile_p(h_i), A·percentile_p(h))
//
// with h_i decaying histograms of u_i/a_i and h one of U/A: the containers' and
// the node's, whichever is higher. Uses Percentile (default 0.95; koordinator
// itself takes 0.98 for memory), Margin (default 0.10) and Window as the
// half-life (default 12 h; koordinator: 24 h for memory).
type koordinator struct {
	containers *vpa
	node       *nodePercentile
}

func newKoordinator(cfg Config) (model, error) {
	cfg.Percentile = or(cfg.Percentile, koordinatorPercentile)
	cfg.Margin = or(cfg.Margin, koordinatorMargin)
	cfg.Window = cfg.windowOr(koordinatorHalfLife)
	return &koordinator{
		containers: &vpa{percentile: cfg.Percentile, margin: cfg.Margin, halfLife: cfg.Window, edges: decayingEdges()},
		node:       &nodePercentile{percentile: cfg.Percentile, margin: cfg.Margin, halfLife: cfg.Window, edges: decayingEdges()},
	}, nil
}

func (m *koordinator) predict(v *view) float64 {
	return max(m.containers.predict(v), m.node.predict(v))
}
