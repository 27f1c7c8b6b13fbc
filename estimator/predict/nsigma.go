package predict

import (
	"math"
	"time"
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
	roster         roster[history]
}

func newNSigma(cfg Config) (model, error) {
	m := &nSigma{n: or(cfg.Margin, sigmas), length: historyLength(cfg.windowOr(nSigmaWindow), cfg.Interval)}
	m.used, m.promised = make([]float64, m.length), make([]float64, m.length)
	return m, nil
}

func (m *nSigma) predict(v *view) float64 {
	m.slot = (m.slot + 1) % m.length
	states := m.roster.match(v.containers)
	clear(m.used)
	clear(m.promised)
	for i := range v.containers {
		c, h := &v.containers[i], states.of(i)
		value := -1.0
		if c.Known {
			value = c.Demand
		}
		h.put(m.length, m.slot, value)
		if !c.counts {
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
		return v.allocated
	}
	mean := sum / n
	deviation := math.Sqrt(max(0, squares/n-mean*mean))
	return v.allocated * (mean + m.n*deviation)
}
