package predict

import (
	"fmt"
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
	Weight [decayingBuckets]float32 `json:"weight"`
	Total  float32                  `json:"total"`
}

// Decay ages all samples by elapsed.
func (h *Decaying) Decay(by float32) {
	if by == 1 {
		return
	}
	for b := range h.Weight {
		h.Weight[b] *= by
	}
	h.Total *= by
}

// Add takes a sample.
func (h *Decaying) Add(share float64, weight float32) {
	b := 0
	if share > decayingFirst {
		b = int(math.Ceil(math.Log(share/decayingFirst)/math.Log(decayingGrowth) - 1e-9))
	}
	h.Weight[min(b, decayingBuckets-1)] += weight
	h.Total += weight
}

// Percentile is the upper edge of the bucket that p of the weight is not above.
func (h *Decaying) Percentile(p float64) float64 {
	want, sum := h.Total*float32(p), float32(0)
	for b := range h.Weight {
		if sum += h.Weight[b]; sum >= want && sum > 0 {
			return min(decayingFirst*math.Pow(decayingGrowth, float64(b)), 1)
		}
	}
	return 1
}

// DecayOver is the factor by which samples fade in elapsed.
func DecayOver(elapsed, halfLife time.Duration) float32 {
	return float32(math.Exp2(-elapsed.Seconds() / halfLife.Seconds()))
}

// check refuses what no samples can add up to.
func (h *Decaying) check() error {
	sum := float32(0)
	for _, w := range h.Weight {
		if w < 0 {
			return fmt.Errorf("a weight of %v", w)
		}
		sum += w
	}
	if !(math.Abs(float64(sum-h.Total)) <= 1e-2*float64(1+h.Total)) {
		return fmt.Errorf("weights of %v, not %v", sum, h.Total)
	}
	return nil
}
