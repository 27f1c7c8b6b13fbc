package replay

import (
	"math"
	"slices"
)

// optimum is the offline optimum: how few changes any offer could have come by on
// the targets of some nodes, knowing them all before: one that is never above the
// target (a cut is at once) and gives up no more than a share of it. No
// governor can do with fewer, so this is what one is measured against.
//
// With a price per change the cheapest offer of a node is found by dynamic
// programming over where its last change was; between two changes it is the
// least target there. The price is the same on all nodes and chosen so that
// the share is just not exceeded (Lagrange), by bisection; the answer is then
// the optimum for the share that it gives up. O(steps × longest time without
// a change) per price.
type optimum struct {
	// nodes are the targets of each node, one per step of equal length.
	nodes [][]float64
	total float64
}

// optimumPrices is how many prices are tried.
const optimumPrices = 14

func (h *optimum) add(targets []float64) {
	h.nodes = append(h.nodes, targets)
	for _, v := range targets {
		h.total += v
	}
}

// changes is the least number of changes that gives up at most share.
func (h *optimum) changes(share float64) int {
	if h.total <= 0 {
		return 0
	}
	best := math.MaxInt
	// The mean step's target, over 10⁻⁴ to 10⁴: from a change in every step to
	// one that is worth days.
	low, high := math.Log(1e-4), math.Log(1e4)
	steps := 0
	for _, n := range h.nodes {
		steps += len(n)
	}
	mean := h.total / float64(steps)
	for range optimumPrices {
		middle := (low + high) / 2
		changes, lost := h.at(math.Exp(middle) * mean)
		if lost > share*h.total {
			high = middle
			continue
		}
		low = middle
		best = min(best, changes)
	}
	return best
}

// at is the number of changes and the loss when a change costs price.
func (h *optimum) at(price float64) (changes int, lost float64) {
	for _, n := range h.nodes {
		c, l := cheapest(n, price)
		changes += c
		lost += l
	}
	return changes, lost
}

// cheapest is the offer of one node that costs least.
func cheapest(targets []float64, price float64) (changes int, lost float64) {
	cost := make([]float64, len(targets)+1) // of the best offer for the first i
	from := make([]int, len(targets)+1)     // its last change
	sum := make([]float64, len(targets)+1)
	for i, v := range targets {
		sum[i+1] = sum[i] + v
	}
	loss := func(i, j int, least float64) float64 { return sum[j] - sum[i] - least*float64(j-i) }
	for j := 1; j <= len(targets); j++ {
		cost[j] = math.Inf(1)
		least := math.Inf(1)
		for i := j - 1; i >= 0; i-- {
			least = min(least, targets[i])
			l := loss(i, j, least)
			if l > cost[j] {
				break // it only grows from here on
			}
			c := cost[i] + l
			if i > 0 {
				c += price
			}
			if c < cost[j] {
				cost[j], from[j] = c, i
			}
		}
	}
	for j := len(targets); j > 0; j = from[j] {
		i := from[j]
		lost += loss(i, j, slices.Min(targets[i:j]))
		if i > 0 {
			changes++
		}
	}
	return changes, lost
}
