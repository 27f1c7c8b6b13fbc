package predict

import (
	"cmp"

	"github.com/estimatord/estimatord/estimator/predict"
)

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
	states predict.PerContainer[emaContainer]
}

type emaContainer struct {
	mean  float64
	begun bool
}

func newEMA(cfg predict.Config) (predict.Model, error) {
	return &ema{margin: cmp.Or(cfg.Margin, emaMargin)}, nil
}

func (m *ema) Predict(v *predict.View) float64 {
	states := m.states.Match(v.Containers)
	peak := 0.0
	for i := range v.Containers {
		c, s := &v.Containers[i], states.Of(i)
		if c.Known {
			if !s.begun {
				s.begun, s.mean = true, c.Demand
			}
			s.mean += emaWeight * (c.Demand - s.mean)
		}
		if c.Counts {
			peak += min(s.mean*(1+m.margin), c.Allocated)
		}
	}
	return peak
}
