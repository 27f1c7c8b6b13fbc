package predict

import "time"

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

func newNodeMax(cfg Config) (model, error) {
	return &nodeMax{margin: or(cfg.Margin, nodeMaxMargin), clock: newBlockClock(cfg.windowOr(nodeMaxWindow))}, nil
}

func (m *nodeMax) predict(v *view) float64 {
	if turns := m.clock.advance(v.at); turns > 0 {
		m.highest.turn(m.clock.slot, turns)
	}
	if v.allocated <= 0 {
		return 0
	}
	m.highest.add(m.clock.slot, v.used/v.allocated)
	return v.allocated * m.highest.max(m.clock.slot) * (1 + m.margin)
}
