package predict

import (
	"cmp"
	"time"
)

// nodeMaxWindow and nodeMaxMargin are the defaults of node-max: the simplest
// rule that kept 1 % of violations in every cell of the reference traces.
const (
	nodeMaxWindow = 7 * 24 * time.Hour
	nodeMaxMargin = 0.25
)

// nodeMax predicts
//
//	P = (1+margin)·A·max over the window of U/A
//
// with U and A the sums over the containers present then: a node's peak rather
// than its containers'. Uses Window (default 7 d) and Margin (default 0.25).
type nodeMax struct {
	margin  float64
	clock   blockClock
	highest blockMax
}

func newNodeMax(cfg Config) (Model, error) {
	return &nodeMax{margin: cmp.Or(cfg.Margin, nodeMaxMargin), clock: newBlockClock(cfg.WindowOr(nodeMaxWindow))}, nil
}

func (m *nodeMax) Predict(v *View) float64 {
	if turns := m.clock.advance(v.At); turns > 0 {
		m.highest.turn(m.clock.Slot, turns)
	}
	if v.Allocated <= 0 {
		return 0
	}
	m.highest.add(m.clock.Slot, v.Used/v.Allocated)
	return v.Allocated * m.highest.max(m.clock.Slot) * (1 + m.margin)
}
