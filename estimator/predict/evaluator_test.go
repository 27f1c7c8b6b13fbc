package predict_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

func TestScore(t *testing.T) {
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
			p, say := saying(t, 2*time.Second)
			at := epoch
			for i, l := range story {
				at = at.Add(l.after)
				*say = l.predicted
				p.Predict(predict.Step{At: at, Containers: l.now})
				if s, ok := predict.ScoreOf(p); !ok || s.Predictions != l.promises || s.Violations != l.broken {
					t.Errorf("look %d: %+v, want %d predictions and %d violations", i, s, l.promises, l.broken)
				}
			}
		})
	}
}

// said is a model that predicts what it is told to.
type said struct{ say float64 }

func (s *said) Predict(*predict.View) float64 { return s.say }

// saying is a scored predictor of such a model.
func saying(t *testing.T, horizon time.Duration) (p predict.Predictor, say *float64) {
	t.Helper()
	var m said
	table := predict.Table{{Name: "said", Make: func(predict.Config) (predict.Model, error) { return &m, nil }}}
	p, err := table.New("said", predict.Config{Interval: time.Second, Horizon: horizon, Score: true})
	if err != nil {
		t.Fatal(err)
	}
	return p, &m.say
}

func TestScoreSums(t *testing.T) {
	t.Parallel()
	p, say := saying(t, time.Second)
	*say = 2
	for i, demand := range []float64{1, 3, 1} {
		p.Predict(predict.Step{At: epoch.Add(time.Duration(i) * time.Second), Containers: []predict.Container{running("a", 10, demand)}})
	}
	// Predicted 2 of 10, and 3 when that was used already; 3 came, then 1.
	if s, _ := predict.ScoreOf(p); s.Slack != 15 || s.Allocated != 20 || !near(s.Excess, 0.1) {
		t.Errorf("%+v, want slack 15 of 20 and an excess of 0.1", s)
	}
}

func TestOnlyWhatIsAskedForIsScored(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]predict.Config{
		"without a horizon": {Interval: time.Second, Score: true},
		"nobody asks":       {Interval: time.Second, Horizon: time.Second},
	} {
		if s, ok := predict.ScoreOf(mustNew(t, "fixed-share", cfg)); ok {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestScoringDoesNotAllocate(t *testing.T) {
	p, say := saying(t, 5*time.Minute)
	*say = 60
	step := steady(50)
	look := func() { advance(&step); p.Predict(step) }
	for range 500 {
		look()
	}
	if n := testing.AllocsPerRun(200, look); n != 0 {
		t.Errorf("%v allocations per step, want 0", n)
	}
	if s, _ := predict.ScoreOf(p); s.Predictions == 0 {
		t.Error("nothing was scored")
	}
}
