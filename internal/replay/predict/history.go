package predict

import (
	"time"
)

// maxHistory bounds the samples that a predictor with an exact window keeps
// per container; at one a second that is two hours.
const maxHistory = 7200

// history is the exact window of samples that some predictors of the
// literature need: one float per step and container, which is why they are
// for comparison and not for a node.
type history struct {
	// ring holds a sample per step; NaN-free, a missing one is negative.
	ring []float32
}

// historyLength is the number of steps of a window.
func historyLength(window, interval time.Duration) int {
	if interval <= 0 {
		interval = time.Second
	}
	return int(min(max(window/interval, 1), maxHistory))
}

// put stores the sample of the step in its place, making the ring when the
// container is new: the only allocation, once per container.
func (h *history) put(length, slot int, sample float64) {
	if h.ring == nil {
		h.ring = make([]float32, length)
		for i := range h.ring {
			h.ring[i] = -1
		}
	}
	h.ring[slot] = float32(sample)
}
