package predict

import (
	"math"
	"time"
)

const (
	// gapDecay is how fast a gap in the readings is forgotten: its share in the
	// margin falls by e in this time. Ten minutes, the time for which the
	// governor holds back a raise anyway.
	gapDecay = 10 * time.Minute
	// lateTicks is how many of the usual intervals may pass without a gap: a
	// late tick loses resolution, but counters lose nothing.
	lateTicks = 3
)

// Model is the heart of a predictor. The guard around it applies what all
// predictors share, so that a model only does its own arithmetic.
type Model interface {
	// Predict takes the next View and returns the predicted peak of the
	// summed demand of the containers that count. The guard clamps it.
	Predict(v *View) float64
}

// View is a Step as models see it: checked, capped and summed.
type View struct {
	At time.Time
	// Elapsed is the time since the view before, 0 for the first.
	Elapsed time.Duration
	// Usual is the usual time between views; 0 when none is expected.
	Usual time.Duration
	// Containers are all of the step's, in its order.
	Containers []Sample
	// Used and Allocated are sums over the containers that count.
	Used, Allocated float64
}

// Sample is one container of a View.
type Sample struct {
	// Container has a finite Allocated of at least 0 and, when Known, a Demand
	// between 0 and Allocated.
	Container
	// Counts: Known and not Cold. Only these enter the prediction of a model;
	// the guard adds the others at full allocation.
	Counts bool
}

// guard is the Predictor around a model. It holds the invariants of the
// package whatever the model answers:
//
//	P = clamp(model, used, allocated) + Σ allocated of containers that do not count
//
// and moves P towards the full allocation after missing ticks:
//
//	P + (allocated − P)·g,  g(t) = g(t−dt)·e^(−dt/τ) + 1 − e^(−missed/τ)
//
// with τ = 10 min (10 intervals when that is longer) and missed the time
// beyond three of the usual intervals: what happened then was not seen, and it
// may have been a peak.
type guard struct {
	name  string
	model Model
	pace  pace
	last  time.Time
	gap   float64
	view  View
	// evaluator is nil when nobody asks for a score.
	evaluator *evaluator
}

// Predict implements Predictor.
func (g *guard) Predict(step Step) float64 {
	v := &g.view
	v.Elapsed = 0
	if !g.last.IsZero() {
		v.Elapsed = max(0, step.At.Sub(g.last))
	}
	if g.last.IsZero() || step.At.After(g.last) {
		g.last = step.At
	}
	v.Usual = g.pace.follow(v.Elapsed)
	v.At = g.last
	v.Containers = v.Containers[:0]
	v.Used, v.Allocated = 0, 0
	unknown := 0.0
	for i := range step.Containers {
		s := checked(&step.Containers[i])
		if s.Counts {
			v.Used += s.Demand
			v.Allocated += s.Allocated
		} else {
			unknown += s.Allocated
		}
		v.Containers = append(v.Containers, s)
	}
	p := g.model.Predict(v)
	if !(p <= v.Allocated) { // also when p is not a number
		p = v.Allocated
	}
	p = max(p, v.Used)
	p += (v.Allocated - p) * g.missed(v.Elapsed, v.Usual)
	p = min(max(p, v.Used), v.Allocated) + unknown
	if g.evaluator != nil {
		g.evaluator.observe(v, p)
	}
	return p
}

// missed updates and returns the weight of missing ticks.
func (g *guard) missed(elapsed, usual time.Duration) float64 {
	if usual <= 0 || elapsed <= 0 {
		return g.gap
	}
	tau := max(gapDecay, 10*g.pace.interval).Seconds()
	if g.gap > 0 {
		g.gap *= math.Exp(-elapsed.Seconds() / tau)
	}
	if late := elapsed - lateTicks*usual; late > 0 {
		g.gap = min(1, g.gap+1-math.Exp(-late.Seconds()/tau))
	}
	return g.gap
}

// checked makes a sample of c in which nothing is out of range.
func checked(c *Container) Sample {
	s := Sample{Container: *c}
	if !(s.Allocated > 0) || math.IsInf(s.Allocated, 0) {
		s.Allocated = 0
	}
	if s.Known && (math.IsNaN(s.Demand) || math.IsInf(s.Demand, 0)) {
		s.Known = false
	}
	if s.Known {
		s.Demand = min(max(s.Demand, 0), s.Allocated)
	}
	s.Counts = s.Known && !s.Cold
	return s
}
