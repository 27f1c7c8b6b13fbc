package predict

import "math"

// residuals is a decaying histogram of residuals, a few hundred bytes to a few
// kilobytes whatever the number of samples. Buckets are equal steps of
// asinh(r/residualUnit): even and fine around zero, growing by 7 % far from it.
type residuals struct {
	Weight [residualBuckets]float64 `json:"weight"`
	Sum    [residualBuckets]float64 `json:"sum"`
	Total  float64                  `json:"total"`
}

const (
	residualBuckets = 128
	// residualUnit is where buckets turn from even to growing. The smallest
	// bucket is a fourteenth of it, 0.14 % of a container's allocation.
	residualUnit = 0.02
	// residualSteps is the number of buckets per unit of asinh.
	residualSteps = 14
	// residualZero is the bucket that begins at 0: the range is −0.55 to 1.7
	// containers' allocations, the ends take what is beyond.
	residualZero = 56
)

// residualEdge is the edge below bucket b.
func residualEdge(b int) float64 {
	return residualUnit * math.Sinh(float64(b-residualZero)/residualSteps)
}

func (h *residuals) add(r, weight float64) {
	at := math.Floor(residualSteps*math.Asinh(r/residualUnit)) + residualZero
	b := int(min(max(at, 0), residualBuckets-1))
	h.Weight[b] += weight
	h.Sum[b] += r * weight
	h.Total += weight
}

func (h *residuals) scale(by float64) {
	for b := range h.Weight {
		h.Weight[b] *= by
		h.Sum[b] *= by
	}
	h.Total *= by
}

// tail is what lies above a quantile.
type tail struct {
	// quantile is the value that a share of the weight is above.
	quantile float64
	// weight is that above the quantile's bucket, excess Σ weight·(r−quantile).
	weight, excess float64
}

// above returns the tail that holds a share p of the weight, interpolated
// within its bucket.
func (h *residuals) above(p float64) tail {
	want := p * h.Total
	weight, sum := 0.0, 0.0
	for b := residualBuckets - 1; b >= 0; b-- {
		w := h.Weight[b]
		if w <= 0 {
			continue
		}
		if weight+w >= want {
			low, high := residualEdge(b), residualEdge(b+1)
			q := high - (high-low)*(want-weight)/w
			return tail{quantile: q, weight: weight, excess: max(0, sum-weight*q)}
		}
		weight += w
		sum += h.Sum[b]
	}
	lowest := residualEdge(0)
	return tail{quantile: lowest, weight: weight, excess: max(0, sum-weight*lowest)}
}
