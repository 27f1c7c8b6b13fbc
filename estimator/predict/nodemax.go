package predict

import (
	"cmp"
	"encoding/json"
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
	margin float64
	nodePeak
}

// nodePeak is what nodeMax has learned.
type nodePeak struct {
	Window  blockClock `json:"window"`
	Highest blockMax   `json:"highest"`
}

func newNodeMax(cfg Config) (Model, error) {
	return &nodeMax{margin: cmp.Or(cfg.Margin, nodeMaxMargin), nodePeak: nodePeak{Window: newBlockClock(cfg.WindowOr(nodeMaxWindow))}}, nil
}

func (m *nodeMax) Predict(v *View) float64 {
	if turns := m.Window.advance(v.At); turns > 0 {
		m.Highest.turn(m.Window.Slot, turns)
	}
	if v.Allocated <= 0 {
		return 0
	}
	m.Highest.add(m.Window.Slot, v.Used/v.Allocated)
	return v.Allocated * m.Highest.max(m.Window.Slot) * (1 + m.margin)
}

// state implements learner.
func (m *nodeMax) state() any { return &m.nodePeak }

// restored implements learner.
func (m *nodeMax) restored(state []byte, at time.Time) (Model, error) {
	n := &nodeMax{margin: m.margin}
	if err := json.Unmarshal(state, &n.nodePeak); err != nil {
		return nil, err
	}
	return n, n.Window.check(m.Window.Length, at)
}
