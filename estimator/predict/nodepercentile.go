package predict

import (
	"cmp"
	"encoding/json"
	"time"
)

// Defaults of node-percentile.
const (
	nodePercentileDefault = 0.99
	nodePercentileMargin  = 0.15
	// As in the vertical pod autoscaler.
	nodePercentileHalfLife = 24 * time.Hour
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
	shares             Decaying
}

// NewNodePercentile makes a node-percentile.
func NewNodePercentile(cfg Config) (Model, error) {
	return &nodePercentile{
		percentile: cmp.Or(cfg.Percentile, nodePercentileDefault), margin: cmp.Or(cfg.Margin, nodePercentileMargin),
		halfLife: cfg.WindowOr(nodePercentileHalfLife),
	}, nil
}

func (m *nodePercentile) Predict(v *View) float64 {
	m.shares.Decay(DecayOver(v.Elapsed, m.halfLife))
	if v.Allocated <= 0 {
		return 0
	}
	m.shares.Add(v.Used/v.Allocated, 1)
	return v.Allocated * m.shares.Percentile(m.percentile) * (1 + m.margin)
}

// state implements learner.
func (m *nodePercentile) state() any { return &m.shares }

// restored implements learner.
func (m *nodePercentile) restored(state []byte, _ time.Time) (Model, error) {
	n := *m
	if err := json.Unmarshal(state, &n.shares); err != nil {
		return nil, err
	}
	return &n, n.shares.check()
}
