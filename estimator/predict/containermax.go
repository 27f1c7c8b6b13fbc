package predict

import "time"

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
	clock  blockClock
	roster PerContainer[blockMax]
}

func newContainerMax(cfg Config) (Model, error) {
	return &containerMax{margin: cfg.Margin, clock: newBlockClock(cfg.WindowOr(containerMaxWindow))}, nil
}

func (m *containerMax) Predict(v *View) float64 {
	turns := m.clock.advance(v.At)
	states := m.roster.Match(v.Containers)
	peak := 0.0
	for i := range v.Containers {
		c, s := &v.Containers[i], states.Of(i)
		if turns > 0 {
			s.turn(m.clock.slot, turns)
		}
		if c.Known {
			s.add(m.clock.slot, c.Demand)
		}
		if c.Counts {
			peak += min(s.max(m.clock.slot)*(1+m.margin), c.Allocated)
		}
	}
	return peak
}
