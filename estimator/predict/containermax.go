package predict

import (
	"encoding/json"
	"time"
)

// containerMaxWindow is the default window of container-max.
const containerMaxWindow = time.Hour

// containerMax predicts
//
//	P = (1+margin)·Σ_i max over the window of u_i
//
// with u_i the demand of container i, capped at its allocation. Each
// container's maximum, margin included, is capped at its allocation too. This
// is the peak of Autopilot's moving window (Rzadca et al., EuroSys 2020, §3.2),
// without its weights. Uses Window (default 1 h) and Margin.
type containerMax struct {
	margin float64
	highest
}

// highest is what containerMax has learned.
type highest struct {
	Window     blockClock             `json:"window"`
	Containers PerContainer[blockMax] `json:"containers"`
}

func newContainerMax(cfg Config) (Model, error) {
	return &containerMax{margin: cfg.Margin, highest: highest{Window: newBlockClock(cfg.WindowOr(containerMaxWindow))}}, nil
}

func (m *containerMax) Predict(v *View) float64 {
	turns := m.Window.advance(v.At)
	states := m.Containers.Match(v.Containers)
	peak := 0.0
	for i := range v.Containers {
		c, s := &v.Containers[i], states.Of(i)
		if turns > 0 {
			s.turn(m.Window.Slot, turns)
		}
		if c.Known {
			s.add(m.Window.Slot, c.Demand)
		}
		if c.Counts {
			peak += min(s.max(m.Window.Slot)*(1+m.margin), c.Allocated)
		}
	}
	return peak
}

// state implements learner.
func (m *containerMax) state() any { return &m.highest }

// restored implements learner.
func (m *containerMax) restored(state []byte, at time.Time) (Model, error) {
	n := &containerMax{margin: m.margin}
	if err := json.Unmarshal(state, &n.highest); err != nil {
		return nil, err
	}
	return n, n.Window.check(m.Window.Length, at)
}
