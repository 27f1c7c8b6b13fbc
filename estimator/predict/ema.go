package predict

// emaWeight is the weight of the newest sample in Serenity's exponential
// moving average (serenity, src/filters/ema.hpp, DEFAULT_EMA_ALPHA).
const (
	emaWeight = 0.2
	emaMargin = 0.1
)

// ema predicts
//
//	P = (1+margin)·Σ_i e_i,   e_i = e_i + 0.2·(u_i − e_i) per sample
//
// what Serenity, the estimator made for Mesos, does: it follows the mean and
// says nothing of peaks. Uses Margin (default 0.1).
type ema struct {
	margin float64
	roster roster[emaContainer]
}

type emaContainer struct {
	mean  float64
	begun bool
}

func newEMA(cfg Config) (model, error) { return &ema{margin: or(cfg.Margin, emaMargin)}, nil }

func (m *ema) predict(v *view) float64 {
	states := m.roster.match(v.containers)
	peak := 0.0
	for i := range v.containers {
		c, s := &v.containers[i], states.of(i)
		if c.Known {
			if !s.begun {
				s.begun, s.mean = true, c.Demand
			}
			s.mean += emaWeight * (c.Demand - s.mean)
		}
		if c.counts {
			peak += min(s.mean*(1+m.margin), c.Allocated)
		}
	}
	return peak
}
