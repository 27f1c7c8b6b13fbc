package predict_test

import (
	"math"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// one is a node with one container of 10 cores that uses what demands says, a
// minute apart; the answer to the last step is what counts.
func one(p predict.Predictor, demands ...float64) float64 {
	var got float64
	for i, d := range demands {
		got = p.Predict(predict.Step{
			At: epoch.Add(time.Duration(i) * time.Minute), Containers: []predict.Container{running("a", 10, d)},
		})
	}
	return got
}

func TestFormulae(t *testing.T) {
	t.Parallel()
	minute := predict.Config{Interval: time.Minute}
	with := func(change func(*predict.Config)) predict.Config {
		c := minute
		change(&c)
		return c
	}
	for name, tc := range map[string]struct {
		predictor string
		cfg       predict.Config
		demands   []float64
		want      float64
		within    float64
	}{
		"fixed-share is Borg's 90 %":     {"fixed-share", minute, []float64{1, 2}, 9, 0},
		"fixed-share as told":            {"fixed-share", with(func(c *predict.Config) { c.Share = 0.5 }), []float64{1}, 5, 0},
		"ema":                            {"ema", with(func(c *predict.Config) { c.Margin = 0.5 }), []float64{3, 1}, (3 - 0.2*2) * 1.5, 0},
		"node-max adds a quarter":        {"node-max", minute, []float64{1, 4, 2}, 5, 0},
		"percentile-sum interpolates":    {"percentile-sum", with(func(c *predict.Config) { c.Percentile = 0.75 }), []float64{4, 1, 3, 2, 1.5}, 3, 0},
		"percentile-sum has a window":    {"percentile-sum", with(func(c *predict.Config) { c.Window, c.Percentile = 2*time.Minute, 1 }), []float64{4, 1, 3}, 3, 0},
		"n-sigma of 1 and 3":             {"n-sigma", with(func(c *predict.Config) { c.Margin = 2 }), []float64{1, 3, 1, 3}, 2 + 2*1, 0},
		"n-sigma has a window":           {"n-sigma", with(func(c *predict.Config) { c.Window, c.Margin = 2*time.Minute, 2 }), []float64{9, 9, 1, 3}, 4, 0},
		"the higher of the two, n-sigma": {"max-nsigma-percentile", with(func(c *predict.Config) { c.Margin = 2 }), []float64{1, 3, 1, 3}, 4, 0},
		"the higher of the two, percentile": {
			"max-nsigma-percentile", with(func(c *predict.Config) { c.Margin, c.Percentile = 0.001, 1 }), []float64{4, 1, 1, 1}, 4, 0,
		},
		// Histograms answer with the upper edge of a bucket, up to 5 % above.
		"vpa": {"vpa", with(func(c *predict.Config) { c.Percentile, c.Margin = 0.5, 1e-9 }), []float64{6, 2, 2, 2}, 2, 0.1},
		"vpa forgets by half-lives": {
			"vpa", with(func(c *predict.Config) { c.Percentile, c.Margin, c.Window = 0.5, 1e-9, time.Minute }), []float64{6, 6, 6, 6, 2, 2}, 2, 0.1,
		},
		"node-percentile": {"node-percentile", with(func(c *predict.Config) { c.Percentile, c.Margin = 0.5, 0.5 }), []float64{6, 2, 2, 2}, 3, 0.15},
		"koordinator":     {"koordinator", with(func(c *predict.Config) { c.Percentile = 0.5 }), []float64{2, 2, 2, 1}, 2.2, 0.11},
		// Weighted by load, one sample of 6 weighs as much as three of 2.
		"autopilot weighs by load": {"autopilot", with(func(c *predict.Config) { c.Percentile, c.Margin = 0.6, 1e-9 }), []float64{6, 2, 2, 1}, 6, 0.3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := one(mustNew(t, tc.predictor, tc.cfg), tc.demands...)
			if got < tc.want-1e-6 || got > tc.want+tc.within+1e-6 {
				t.Errorf("predicted %v, want %v to %v", got, tc.want, tc.want+tc.within)
			}
		})
	}
}

func TestPeaksAddUpOnlyInContainerMax(t *testing.T) {
	t.Parallel()
	// Two containers take turns: never more than 4 together.
	turns := func(p predict.Predictor) (got float64) {
		for i := range 10 {
			a, b := 3.0, 1.0
			if i%2 == 1 {
				a, b = b, a
			}
			got = p.Predict(predict.Step{
				At:         epoch.Add(time.Duration(i) * time.Minute),
				Containers: []predict.Container{running("a", 4, a), running("b", 4, b)},
			})
		}
		return got
	}
	if got := turns(mustNew(t, "container-max", predict.Config{})); !near(got, 6) {
		t.Errorf("container-max: %v, want 6", got)
	}
	if got := turns(mustNew(t, "node-max", predict.Config{Margin: 1e-9})); !near(got, 4) {
		t.Errorf("node-max: %v, want 4", got)
	}
	if got := turns(mustNew(t, "n-sigma", predict.Config{Interval: time.Minute})); !near(got, 4) {
		t.Errorf("n-sigma: %v, want 4: the sum never varied", got)
	}
}

func TestNSigmaForgetsWhoLeft(t *testing.T) {
	t.Parallel()
	p := mustNew(t, "n-sigma", predict.Config{Interval: time.Minute})
	for i := range 10 {
		p.Predict(predict.Step{
			At:         epoch.Add(time.Duration(i) * time.Minute),
			Containers: []predict.Container{running("calm", 4, 1), running("wild", 4, 4*math.Mod(float64(i), 2))},
		})
	}
	got := p.Predict(predict.Step{At: epoch.Add(10 * time.Minute), Containers: []predict.Container{running("calm", 4, 1)}})
	if !near(got, 1) {
		t.Errorf("predicted %v, want 1: the one that varied is gone", got)
	}
}
