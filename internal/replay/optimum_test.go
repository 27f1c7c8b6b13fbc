package replay

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestOfflineOptimum(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		nodes [][]float64
		share float64
		want  int
	}{
		{"nothing", nil, 0.02, 0},
		{"never changes", [][]float64{{5, 5, 5, 5}}, 0, 0},
		{"a step", [][]float64{{5, 5, 5, 9, 9, 9}}, 0.02, 1},
		{"a dip that is cheaper to keep out of", [][]float64{{5, 5, 4.9, 5, 5}}, 0.05, 0},
		{"and one that is not", [][]float64{{5, 5, 1, 5, 5}}, 0.05, 2},
		{"two nodes", [][]float64{{5, 5, 9, 9}, {1, 1, 3, 3}}, 0.02, 2},
	} {
		h := optimum{}
		for _, n := range tc.nodes {
			h.add(n)
		}
		if got := h.changes(tc.share); got != tc.want {
			t.Errorf("%s: %d changes, want %d", tc.name, got, tc.want)
		}
	}
}

// At any price the promise costs no more than every other: all ways to cut ten
// steps into stretches are tried.
func TestCheapestIsCheapest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		targets := rapid.SliceOfN(rapid.Float64Range(0, 10), 1, 10).Draw(t, "targets")
		price := rapid.Float64Range(0, 10).Draw(t, "price")
		changes, lost := cheapest(targets, price)
		got := float64(changes)*price + lost
		best := math.Inf(1)
		for cuts := range 1 << (len(targets) - 1) {
			cost, begin := 0.0, 0
			for i := range targets {
				if i == len(targets)-1 || cuts>>i&1 == 1 {
					least := math.Inf(1)
					for _, v := range targets[begin : i+1] {
						least = min(least, v)
					}
					for _, v := range targets[begin : i+1] {
						cost += v - least
					}
					if i < len(targets)-1 {
						cost += price
					}
					begin = i + 1
				}
			}
			best = min(best, cost)
		}
		if math.Abs(got-best) > 1e-9 {
			t.Fatalf("%d changes and %v lost cost %v, %v is possible", changes, lost, got, best)
		}
	})
}

func BenchmarkHindsight(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	targets := make([]float64, 4000)
	for i := range targets {
		targets[i] = 20 + r.Float64()
	}
	b.ReportAllocs()
	for b.Loop() {
		h := optimum{}
		h.add(targets)
		h.changes(GivenUp)
	}
}
