package predict

import (
	"math"
	"time"
)

const (
	// decayingBuckets and decayingGrowth: from decayingFirst of the
	// allocation, each bucket is 5 % larger, as in the Kubernetes vertical pod
	// autoscaler (pkg/recommender/util/histogram_options.go).
	decayingBuckets = 96
	decayingGrowth  = 1.05
	decayingFirst   = 0.0097
)

// Decaying is a histogram of shares of an allocation whose samples lose half
// their weight every half-life.
type Decaying struct {
	weight [decayingBuckets]float32
	total  float32
}

// Decay ages all samples by elapsed.
func (h *Decaying) Decay(by float32) {
	if by == 1 {
		return
	}
	for b := range h.weight {
		h.weight[b] *= by
	}
	h.total *= by
}

// Add takes a sample.
func (h *Decaying) Add(share float64, weight float32) {
	b := 0
	if share > decayingFirst {
		b = int(math.Ceil(math.Log(share/decayingFirst)/math.Log(decayingGrowth) - 1e-9))
	}
	h.weight[min(b, decayingBuckets-1)] += weight
	h.total += weight
}

// Percentile is the upper edge of the bucket that p of the weight is not above.
func (h *Decaying) Percentile(p float64) float64 {
	want, sum := h.total*float32(p), float32(0)
	for b := range h.weight {
		if sum += h.weight[b]; sum >= want && sum > 0 {
			return min(decayingFirst*math.Pow(decayingGrowth, float64(b)), 1)
		}
	}
	return 1
}

// DecayOver is the factor by which samples fade in elapsed.
func DecayOver(elapsed, halfLife time.Duration) float32 {
	return float32(math.Exp2(-elapsed.Seconds() / halfLife.Seconds()))
}
