package predict_test

import (
	"errors"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

func TestEvaluator(t *testing.T) {
	t.Parallel()
	type cs = []predict.Container
	type look struct {
		after     time.Duration
		now       cs
		predicted float64
		promises  uint64 // judged after it
		broken    uint64
	}
	for name, story := range map[string][]look{
		"kept, broken, kept": {
			{0, cs{running("a", 10, 1)}, 2, 0, 0},
			{time.Second, cs{running("a", 10, 2)}, 2, 0, 0},
			{time.Second, cs{running("a", 10, 1)}, 5, 1, 0}, // 2, 1
			{time.Second, cs{running("a", 10, 4)}, 5, 2, 1}, // 1, 4
			{time.Second, cs{running("a", 10, 5)}, 5, 3, 1}, // 4, 5
		},
		"one that leaves needs nothing, one that joins brings its own": {
			{0, cs{running("a", 4, 3), running("b", 4, 1)}, 4, 0, 0},
			{time.Second, cs{running("b", 4, 1), running("c", 4, 4)}, 8, 0, 0},
			{time.Second, cs{running("b", 4, 4), running("c", 4, 4)}, 8, 1, 0},
		},
		"what nobody saw is not judged": {
			{0, cs{running("a", 10, 1)}, 2, 0, 0},
			{time.Minute, cs{running("a", 10, 9)}, 9, 0, 0},
			{time.Second, cs{running("a", 10, 9)}, 9, 0, 0},
			{time.Second, cs{running("a", 10, 9)}, 9, 1, 0},
		},
		"a promise made blind is not judged": {
			{0, cs{unknown("a", 10)}, 10, 0, 0},
			{time.Second, cs{running("a", 10, 9)}, 9, 0, 0},
			{time.Second, cs{running("a", 10, 9)}, 9, 0, 0},
			{time.Second, cs{running("a", 10, 9)}, 9, 1, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, err := predict.NewEvaluator(predict.Config{Interval: time.Second, Horizon: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			at := epoch
			for i, l := range story {
				at = at.Add(l.after)
				j.Observe(predict.Step{At: at, Containers: l.now}, l.predicted)
				if g := j.Score(); g.Predictions != l.promises || g.Violations != l.broken {
					t.Errorf("look %d: %d judged and %d broken, want %d and %d", i, g.Predictions, g.Violations, l.promises, l.broken)
				}
			}
		})
	}
}

func TestEvaluatorSums(t *testing.T) {
	t.Parallel()
	j, err := predict.NewEvaluator(predict.Config{Interval: time.Second, Horizon: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for i, demand := range []float64{1, 3, 1} {
		j.Observe(predict.Step{At: epoch.Add(time.Duration(i) * time.Second), Containers: []predict.Container{running("a", 10, demand)}}, 2)
	}
	// Predicted 2 of 10 twice; 3 came, then 1.
	if g := j.Score(); g.Slack != 16 || g.Allocated != 20 || !near(g.Excess, 0.1) {
		t.Errorf("%+v, want slack 16 of 20 and an excess of 0.1", g)
	}
}

func TestEvaluatorNeedsAHorizon(t *testing.T) {
	t.Parallel()
	if _, err := predict.NewEvaluator(predict.Config{Interval: time.Second}); !errors.Is(err, predict.ErrConfig) {
		t.Errorf("error %v, want %v", err, predict.ErrConfig)
	}
}

func TestEvaluatorDoesNotAllocate(t *testing.T) {
	j, err := predict.NewEvaluator(predict.Config{Interval: time.Second, Horizon: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	step := steady(50)
	look := func() { advance(&step); j.Observe(step, 60) }
	for range 500 {
		look()
	}
	if n := testing.AllocsPerRun(200, look); n != 0 {
		t.Errorf("%v allocations per step, want 0", n)
	}
	if g := j.Score(); g.Predictions == 0 {
		t.Error("nothing was judged")
	}
}
