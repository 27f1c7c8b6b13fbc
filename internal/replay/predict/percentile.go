package predict

import (
	"cmp"
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// Defaults of percentile-sum.
const (
	percentileDefault = 0.99
	percentileWindow  = 24 * time.Hour
)

// percentileSum predicts
//
//	P = (1+margin)·Σ_i percentile_p of u_i over the window
//
// as Resource Central's oversubscription does with its buckets (Cortez et al.,
// SOSP 2017) and the "RC-like" peak predictor of Bashir et al., EuroSys 2021,
// §4. The window is exact: a float per step and container. Uses Interval,
// Percentile (default 0.99), Window (default 24 h, at most 7200 steps) and
// Margin.
type percentileSum struct {
	percentile, margin float64
	length, slot       int
	states             predict.PerContainer[sortedHistory]
}

// sortedHistory is a history with its samples also in order.
type sortedHistory struct {
	history
	sorted []float32
}

func newPercentileSum(cfg predict.Config) (predict.Model, error) {
	return &percentileSum{
		percentile: cmp.Or(cfg.Percentile, percentileDefault), margin: cfg.Margin,
		length: historyLength(cfg.WindowOr(percentileWindow), cfg.Interval),
	}, nil
}

func (m *percentileSum) Predict(v *predict.View) float64 {
	m.slot = (m.slot + 1) % m.length
	states := m.states.Match(v.Containers)
	peak := 0.0
	for i := range v.Containers {
		c, h := &v.Containers[i], states.Of(i)
		h.replace(m.length, m.slot, c)
		if c.Counts {
			peak += min(h.percentile(m.percentile)*(1+m.margin), c.Allocated)
		}
	}
	return peak
}

// replace takes the step's sample, if known, in place of the one that leaves
// the window.
func (h *sortedHistory) replace(length, slot int, c *predict.Sample) {
	if slot < len(h.ring) && h.ring[slot] >= 0 {
		i, _ := slices.BinarySearch(h.sorted, h.ring[slot])
		h.sorted = slices.Delete(h.sorted, i, i+1)
	}
	value := -1.0
	if c.Known {
		value = c.Demand
	}
	h.put(length, slot, value)
	if c.Known {
		if h.sorted == nil {
			h.sorted = make([]float32, 0, length)
		}
		i, _ := slices.BinarySearch(h.sorted, h.ring[slot])
		h.sorted = slices.Insert(h.sorted, i, h.ring[slot])
	}
}

// percentile interpolates between samples, as numpy and the simulator of the
// paper do.
func (h *sortedHistory) percentile(p float64) float64 {
	n := len(h.sorted)
	if n == 0 {
		return 0
	}
	at := p * float64(n-1)
	i := int(at)
	low := float64(h.sorted[i])
	if i+1 == n {
		return low
	}
	return low + (at-float64(i))*(float64(h.sorted[i+1])-low)
}
