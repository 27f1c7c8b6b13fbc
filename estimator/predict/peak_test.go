package predict_test

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator/predict"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		predictor string
		cfg       predict.Config
		want      error
	}{
		"unknown name":      {"crystal-ball", predict.Config{}, predict.ErrUnknownPredictor},
		"negative margin":   {"latest", predict.Config{Margin: -0.1}, predict.ErrConfig},
		"margin NaN":        {"latest", predict.Config{Margin: math.NaN()}, predict.ErrConfig},
		"margin infinite":   {"latest", predict.Config{Margin: math.Inf(1)}, predict.ErrConfig},
		"negative window":   {"container-max", predict.Config{Window: -1}, predict.ErrConfig},
		"window of a year":  {"container-max", predict.Config{Window: 365 * 24 * time.Hour}, predict.ErrConfig},
		"negative interval": {"container-max", predict.Config{Interval: -1}, predict.ErrConfig},
		"negative horizon":  {"latest", predict.Config{Horizon: -1}, predict.ErrConfig},
		"target of 1":       {"latest", predict.Config{TargetViolation: 1}, predict.ErrConfig},
		"target NaN":        {"latest", predict.Config{TargetViolation: math.NaN()}, predict.ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p, err := compared.Predictors().New(tc.predictor, tc.cfg); p != nil || !errors.Is(err, tc.want) {
				t.Errorf("New: %v, %v; want no predictor and %v", p, err, tc.want)
			}
		})
	}
}

func TestEachHasABriefAndAUniqueName(t *testing.T) {
	t.Parallel()
	table := compared.Predictors()
	names := table.Names()
	for i, name := range names {
		if table[i].Brief == "" {
			t.Errorf("%s has no brief", name)
		}
		if slices.Contains(names[:i], name) {
			t.Errorf("%s is in the table twice", name)
		}
	}
}

// drawSteps makes any sequence of steps: containers join, leave, go blind,
// exceed their allocation and are resized; ticks are missed.
func drawSteps(t *rapid.T) []predict.Step {
	at := epoch
	n := rapid.IntRange(1, 40).Draw(t, "steps")
	steps := make([]predict.Step, n)
	for i := range steps {
		gap := rapid.SampledFrom([]time.Duration{time.Second, time.Second, time.Second, time.Minute, time.Hour, 30 * time.Hour}).Draw(t, "gap")
		at = at.Add(gap)
		steps[i].At = at
		for id := range 4 {
			if rapid.IntRange(0, 4).Draw(t, "present") == 0 {
				continue
			}
			steps[i].Containers = append(steps[i].Containers, predict.Container{
				Key:       snapshot.Key{ID: strconv.Itoa(id)},
				Allocated: rapid.SampledFrom([]float64{0.1, 1, 2, 4}).Draw(t, "allocated"),
				Demand:    rapid.Float64Range(0, 5).Draw(t, "demand"),
				Known:     rapid.IntRange(0, 9).Draw(t, "known") > 0,
				Cold:      rapid.IntRange(0, 9).Draw(t, "cold") == 0,
			})
		}
	}
	return steps
}

func bounds(step predict.Step) (lowest, highest float64) {
	for _, c := range step.Containers {
		highest += c.Allocated
		if c.Known && !c.Cold {
			lowest += min(c.Demand, c.Allocated)
		} else {
			lowest += c.Allocated
		}
	}
	return lowest, highest
}

func eachPredictor(t *testing.T, property func(t *rapid.T, name string)) {
	t.Helper()
	for _, name := range compared.Predictors().Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { property(t, name) })
		})
	}
}

func drawConfig(t *rapid.T) predict.Config {
	return predict.Config{
		Interval: rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "interval"),
		Margin:   rapid.SampledFrom([]float64{0, 0.1, 1}).Draw(t, "margin"),
		Horizon:  rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "horizon"),
	}
}

func TestPredictionIsBetweenDemandAndAllocation(t *testing.T) {
	t.Parallel()
	eachPredictor(t, func(t *rapid.T, name string) {
		p, err := compared.Predictors().New(name, drawConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range drawSteps(t) {
			lowest, highest := bounds(step)
			if got := p.Predict(step); !(got >= lowest-1e-9 && got <= highest+1e-9) {
				t.Fatalf("step %d: predicted %v, not between %v and %v", i, got, lowest, highest)
			}
		}
	})
}

func TestRubbishInIsFullAllocation(t *testing.T) {
	t.Parallel()
	for _, name := range compared.Predictors().Names() {
		p := mustNew(t, name, predict.Config{Interval: time.Second, Horizon: time.Minute})
		for i, demand := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1} {
			want := 2.0
			got := p.Predict(predict.Step{At: epoch.Add(time.Duration(i) * time.Second), Containers: []predict.Container{running("a", 2, demand)}})
			if demand == 1 {
				want = max(1, min(got, 2))
			}
			if got != want {
				t.Errorf("%s with a demand of %v: %v, want %v", name, demand, got, want)
			}
		}
		for _, allocated := range []float64{math.NaN(), math.Inf(1), -1, 0} {
			got := p.Predict(predict.Step{At: epoch.Add(time.Minute), Containers: []predict.Container{running("a", allocated, 1)}})
			if got != 0 {
				t.Errorf("%s with an allocation of %v: %v, want 0: what is not allocated cannot be offered", name, allocated, got)
			}
		}
	}
}

func TestScaleInvariance(t *testing.T) {
	t.Parallel()
	eachPredictor(t, func(t *rapid.T, name string) {
		cfg := drawConfig(t)
		one, err := compared.Predictors().New(name, cfg)
		if err != nil {
			t.Fatal(err)
		}
		other, _ := compared.Predictors().New(name, cfg)
		const scale = 1024 // a power of two: rounding is the same
		for i, step := range drawSteps(t) {
			want := one.Predict(step) * scale
			for j := range step.Containers {
				step.Containers[j].Allocated *= scale
				step.Containers[j].Demand *= scale
			}
			if got := other.Predict(step); math.Abs(got-want) > 1e-6*scale {
				t.Fatalf("step %d: scaled by %v: %v, want %v", i, scale, got, want)
			}
		}
	})
}

// A predictor has no access to the future by construction; this test holds the
// weaker thing that state might break: what it said at step i does not depend
// on how it is driven on, and it keeps nothing of the step.
func TestKeepsNothingOfTheStep(t *testing.T) {
	t.Parallel()
	eachPredictor(t, func(t *rapid.T, name string) {
		cfg := drawConfig(t)
		fresh, err := compared.Predictors().New(name, cfg)
		if err != nil {
			t.Fatal(err)
		}
		reused, _ := compared.Predictors().New(name, cfg)
		var buffer []predict.Container
		for i, step := range drawSteps(t) {
			want := fresh.Predict(step)
			buffer = append(buffer[:0], step.Containers...)
			got := reused.Predict(predict.Step{At: step.At, Containers: buffer})
			for j := range buffer {
				buffer[j] = predict.Container{Key: snapshot.Key{ID: "overwritten"}, Allocated: math.NaN()}
			}
			if got != want {
				t.Fatalf("step %d: %v with a reused buffer, %v without", i, got, want)
			}
		}
	})
}

func TestNoAllocationPerStep(t *testing.T) {
	for _, name := range compared.Predictors().Names() {
		p := mustNew(t, name, predict.Config{Interval: time.Second, Window: time.Hour, Horizon: time.Minute})
		step := steady(50)
		for range 1000 {
			advance(&step)
			p.Predict(step)
		}
		if n := testing.AllocsPerRun(200, func() { advance(&step); p.Predict(step) }); n != 0 {
			t.Errorf("%s: %v allocations per step, want 0", name, n)
		}
	}
}

func steady(n int) predict.Step {
	s := predict.Step{At: epoch}
	for i := range n {
		s.Containers = append(s.Containers, running("c"+strconv.Itoa(1000+i), 2, 0.5))
	}
	return s
}

// advance moves the step on by a second and every demand a little.
func advance(s *predict.Step) {
	s.At = s.At.Add(time.Second)
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Demand = math.Mod(c.Demand*1.7+0.013*float64(i+1), 2)
	}
}

func BenchmarkPredict(b *testing.B) {
	for _, name := range compared.Predictors().Names() {
		b.Run(name, func(b *testing.B) {
			p := mustNew(b, name, predict.Config{Interval: time.Second, Horizon: 5 * time.Minute, TargetViolation: 0.01})
			step := steady(50)
			b.ReportAllocs()
			for b.Loop() {
				advance(&step)
				p.Predict(step)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50, "ns/container")
		})
	}
}
