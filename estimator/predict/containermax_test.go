package predict_test

import (
	"math"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// tick is one step of a story: when it is, who is there, and what must come out.
type tick struct {
	after time.Duration
	now   []predict.Container
	want  float64
}

func running(id string, allocated, demand float64) predict.Container {
	return predict.Container{Key: snapshot.Key{ID: id}, Allocated: allocated, Demand: demand, Known: true}
}

func cold(c predict.Container) predict.Container { c.Cold = true; return c }

func unknown(id string, allocated float64) predict.Container {
	return predict.Container{Key: snapshot.Key{ID: id}, Allocated: allocated}
}

func near(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func play(t *testing.T, p predict.Predictor, story []tick) {
	t.Helper()
	at := epoch
	for i, s := range story {
		at = at.Add(s.after)
		if got := p.Predict(predict.Step{At: at, Containers: s.now}); !near(got, s.want) {
			t.Errorf("step %d, %s: predicted %v, want %v", i, at.Sub(epoch), got, s.want)
		}
	}
}

func mustNew(t testing.TB, name string, cfg predict.Config) predict.Predictor {
	t.Helper()
	p, err := compared.Predictors().New(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestContainerMax(t *testing.T) {
	t.Parallel()
	type cs = []predict.Container
	for name, tc := range map[string]struct {
		cfg   predict.Config
		story []tick
	}{
		"keeps the maximum for the window": {
			cfg: predict.Config{Window: time.Hour},
			story: []tick{
				{0, cs{running("a", 4, 1)}, 1},
				{10 * time.Minute, cs{running("a", 4, 3)}, 3},
				{20 * time.Minute, cs{running("a", 4, 0.5)}, 3},
				{39 * time.Minute, cs{running("a", 4, 0.5)}, 3},
				{20 * time.Minute, cs{running("a", 4, 0.5)}, 0.5},
			},
		},
		"sums maxima that were at different times": {
			cfg: predict.Config{Window: time.Hour},
			story: []tick{
				{0, cs{running("a", 4, 3), running("b", 4, 1)}, 4},
				{time.Minute, cs{running("a", 4, 1), running("b", 4, 3)}, 6},
			},
		},
		"adds the margin, never above the allocation": {
			cfg: predict.Config{Window: time.Hour, Margin: 0.5},
			story: []tick{
				{0, cs{running("a", 4, 2), running("b", 2, 1.9)}, 5},
			},
		},
		"one that leaves takes its peak with it, also when it returns": {
			cfg: predict.Config{Window: time.Hour},
			story: []tick{
				{0, cs{running("a", 4, 3), running("b", 4, 2)}, 5},
				{time.Minute, cs{running("b", 4, 1)}, 2},
				{time.Minute, cs{running("a", 4, 1), running("b", 4, 1)}, 3},
			},
		},
		"a cold one counts in full, what it used is remembered": {
			cfg: predict.Config{Window: time.Hour},
			story: []tick{
				{0, cs{cold(running("a", 4, 3)), running("b", 2, 1)}, 5},
				{time.Minute, cs{running("a", 4, 1), running("b", 2, 1)}, 4},
			},
		},
		"an unknown one counts in full for as long as it is unknown": {
			cfg: predict.Config{Window: time.Hour},
			story: []tick{
				{0, cs{running("a", 4, 1)}, 1},
				{time.Minute, cs{unknown("a", 4)}, 4},
				{time.Minute, cs{running("a", 4, 0.5)}, 1},
			},
		},
		"demand above the allocation is capped": {
			cfg:   predict.Config{Window: time.Hour},
			story: []tick{{0, cs{running("a", 4, 7)}, 4}},
		},
		"an allocation that shrinks caps the past": {
			cfg: predict.Config{Window: time.Hour},
			story: []tick{
				{0, cs{running("a", 4, 3)}, 3},
				{time.Minute, cs{running("a", 2, 1)}, 2},
			},
		},
		"nobody there": {
			cfg:   predict.Config{Window: time.Hour},
			story: []tick{{0, nil, 0}, {time.Minute, cs{running("a", 4, 1)}, 1}, {time.Minute, nil, 0}},
		},
		"the same id with another inode is another container": {
			cfg: predict.Config{Window: time.Hour},
			story: []tick{
				{0, cs{{Key: snapshot.Key{ID: "a", Inode: 1}, Allocated: 4, Demand: 3, Known: true}}, 3},
				{time.Minute, cs{{Key: snapshot.Key{ID: "a", Inode: 2}, Allocated: 4, Demand: 1, Known: true}}, 1},
			},
		},
		"a pause longer than the window forgets, and widens the margin": {
			cfg: predict.Config{Window: time.Hour, Interval: time.Second},
			story: []tick{
				{0, cs{running("a", 4, 3)}, 3},
				// 1 + (4 − 1)·(1 − e^(−7197/600))
				{2 * time.Hour, cs{running("a", 4, 1)}, 3.9999815},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, mustNew(t, "container-max", tc.cfg), tc.story)
		})
	}
}

// A gap widens the margin, and is forgotten; a slower pace is no gap.
func TestMissingTicksWidenTheMargin(t *testing.T) {
	t.Parallel()
	p := mustNew(t, "latest", predict.Config{Interval: time.Second})
	at := epoch
	look := func(after time.Duration) float64 {
		at = at.Add(after)
		return p.Predict(predict.Step{At: at, Containers: []predict.Container{running("a", 4, 1)}})
	}
	for range 10 {
		if got := look(time.Second); got != 1 {
			t.Fatalf("predicted %v while every tick came, want 1", got)
		}
	}
	if got := look(2500 * time.Millisecond); got != 1 {
		t.Errorf("predicted %v after one late tick, want 1", got)
	}
	gap := look(5 * time.Minute)
	if want := 1 + 3*(1-math.Exp(-296.5/600)); math.Abs(gap-want) > 0.01 {
		t.Errorf("predicted %v after five minutes unseen, want about %v", gap, want)
	}
	for range 600 {
		gap = look(time.Second)
	}
	if want := 1 + 3*(1-math.Exp(-296.5/600))/math.E; math.Abs(gap-want) > 0.01 {
		t.Errorf("predicted %v ten minutes later, want about %v", gap, want)
	}
	for range 3600 {
		gap = look(5 * time.Second)
	}
	if math.Abs(gap-1) > 1e-3 {
		t.Errorf("predicted %v at a slower pace, want 1", gap)
	}
}

func TestLatest(t *testing.T) {
	t.Parallel()
	play(t, mustNew(t, "latest", predict.Config{Margin: 0.25}), []tick{
		{0, []predict.Container{running("a", 4, 2), running("b", 2, 0)}, 2.5},
		{time.Minute, []predict.Container{running("a", 4, 1), unknown("b", 2)}, 3.25},
		{time.Minute, []predict.Container{running("a", 4, 3.9)}, 4},
	})
}
