package predict

import (
	"cmp"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

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
	node       predict.Model
}

func newKoordinator(cfg predict.Config) (predict.Model, error) {
	cfg.Percentile = cmp.Or(cfg.Percentile, koordinatorPercentile)
	cfg.Margin = cmp.Or(cfg.Margin, koordinatorMargin)
	cfg.Window = cfg.WindowOr(koordinatorHalfLife)
	node, err := predict.NewNodePercentile(cfg)
	return &koordinator{
		containers: &vpa{percentile: cfg.Percentile, margin: cfg.Margin, halfLife: cfg.Window}, node: node,
	}, err
}

func (m *koordinator) Predict(v *predict.View) float64 {
	return max(m.containers.Predict(v), m.node.Predict(v))
}
