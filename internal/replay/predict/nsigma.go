package predict

import (
	"cmp"
	"math"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// Defaults of n-sigma: five deviations over two hours, the setting of the
// paper's figures with the longest useful history.
const (
	sigmas       = 5
	nSigmaWindow = 2 * time.Hour
)

// nSigma predicts
//
//	P = A·(mean + n·deviation) of U/A over the window
//
// (Bashir et al., EuroSys 2021, §4.2), with U/A at each past step over the
// containers that are present now and were there then, so that one that left
// takes its history with it. Uses Interval, Window (default 2 h, at most 7200
// steps) and Margin as n (default 5).
type nSigma struct {
	n              float64
	length, slot   int
	used, promised []float64
	states         predict.PerContainer[history]
}

func newNSigma(cfg predict.Config) (predict.Model, error) {
	m := &nSigma{n: cmp.Or(cfg.Margin, sigmas), length: historyLength(cfg.WindowOr(nSigmaWindow), cfg.Interval)}
	m.used, m.promised = make([]float64, m.length), make([]float64, m.length)
	return m, nil
}

func (m *nSigma) Predict(v *predict.View) float64 {
	m.slot = (m.slot + 1) % m.length
	states := m.states.Match(v.Containers)
	clear(m.used)
	clear(m.promised)
	for i := range v.Containers {
		c, h := &v.Containers[i], states.Of(i)
		value := -1.0
		if c.Known {
			value = c.Demand
		}
		h.put(m.length, m.slot, value)
		if !c.Counts {
			continue
		}
		for j, u := range h.ring {
			if u >= 0 {
				m.used[j] += float64(u)
				m.promised[j] += c.Allocated
			}
		}
	}
	var n, sum, squares float64
	for j, a := range m.promised {
		if a > 0 {
			r := m.used[j] / a
			n++
			sum += r
			squares += r * r
		}
	}
	if n == 0 {
		return v.Allocated
	}
	mean := sum / n
	deviation := math.Sqrt(max(0, squares/n-mean*mean))
	return v.Allocated * (mean + m.n*deviation)
}
