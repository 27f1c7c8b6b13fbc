package replay

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// synthetic is a small trace that the tests make themselves: business-like
// containers that stay and burst, short-lived ones that come and go, a daily
// wave. The same seed gives the same trace.
type synthetic struct {
	seed     uint64
	nodes    int
	steady   int // containers per node that stay
	fleeting int // places per node where short-lived containers follow each other
	steps    int
	interval int // seconds
}

func (s synthetic) lines() []string {
	rng := rand.New(rand.NewPCG(s.seed, 2))
	var lines []string
	row := func(node, container string, step int, share float64, cores int) {
		share = min(max(share, 0), 1)
		lines = append(lines, fmt.Sprintf("%d,%s,%s,%.3f,%d,%.0f,%d",
			(step+1)*s.interval, node, container, share*float64(cores), cores, (0.3+share/2)*float64(cores)*4096, cores*4096))
	}
	for n := range s.nodes {
		node := fmt.Sprintf("n%02dc32", n)
		for c := range s.steady {
			base, burst := 0.05+0.2*rng.Float64(), 0.0
			for i := range s.steps {
				if rng.Float64() < 0.01 {
					burst = 0.6 * rng.Float64()
				}
				burst *= 0.7
				wave := 0.05 * math.Sin(2*math.Pi*float64(i*s.interval)/86400)
				row(node, fmt.Sprintf("s%03d", c), i, base+burst+wave+0.02*rng.NormFloat64(), 2)
			}
		}
		life := 0
		for p := range s.fleeting {
			for i := 0; i < s.steps; {
				until := min(s.steps, i+3+rng.IntN(60))
				for ; i < until; i++ {
					row(node, fmt.Sprintf("t%03d-%04d", p, life), i, 0.1+0.3*rng.ExpFloat64()*rng.Float64(), 1)
				}
				life++
			}
		}
	}
	return lines
}

func (s synthetic) open(t testing.TB, name string) *Trace {
	t.Helper()
	trace, err := OpenTrace(write(t, name, s.lines()...), TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return trace
}
