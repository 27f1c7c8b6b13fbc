package predict_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator/predict"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestTCERefusesWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]predict.Config{
		"target of 0.1 %":       {TargetViolation: 0.001},
		"early target of 0.1 %": {EarlyTarget: 0.001},
		"a day ahead":           {Horizon: 24 * time.Hour},
	} {
		if _, err := compared.Predictors().New("tce", cfg); !errors.Is(err, predict.ErrConfig) {
			t.Errorf("%s: %v, want %v", name, err, predict.ErrConfig)
		}
	}
}

func TestTCEIsMonotoneInTheTarget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		targets := rapid.SliceOfN(rapid.Float64Range(0.002, 0.3), 2, 2).Draw(t, "targets")
		strict, loose := min(targets[0], targets[1]), max(targets[0], targets[1])
		cfg := predict.Config{Interval: time.Second, Horizon: 10 * time.Second}
		cfg.TargetViolation = strict
		a, err := compared.Predictors().New("tce", cfg)
		if err != nil {
			t.Fatal(err)
		}
		cfg.TargetViolation = loose
		b, _ := compared.Predictors().New("tce", cfg)
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			for i, step := range drawSteps(t) {
				if p, q := a.Predict(step), b.Predict(step); p < q-1e-9 {
					t.Fatalf("step %d: %v at %v, but %v at %v", i, p, strict, q, loose)
				}
			}
		}
	})
}

// node is a synthetic node whose containers jump about independently, with a
// heavy tail.
type node struct {
	rng        *rand.Rand
	containers []predict.Container
}

func newNode(seed uint64, n int) *node {
	s := &node{rng: rand.New(rand.NewPCG(seed, 1))}
	for i := range n {
		s.containers = append(s.containers, running("c"+strconv.Itoa(100+i), 2, 0.2))
	}
	return s
}

func (n *node) next() []predict.Container {
	for i := range n.containers {
		c := &n.containers[i]
		c.Demand = min(2, 0.1+0.15*n.rng.ExpFloat64())
		if n.rng.Float64() < 0.01 {
			c.Demand = min(2, 0.5+0.3*n.rng.ExpFloat64())
		}
	}
	return n.containers
}

func used(cs []predict.Container) (sum float64) {
	for i := range cs {
		sum += cs[i].Demand
	}
	return sum
}

// On stationary load, the promise is kept, and is not bought by timidity: where
// there is enough to learn from, at least a third of what it allows is used.
func TestTCEKeepsItsPromise(t *testing.T) {
	t.Parallel()
	for _, target := range []float64{0.01, 0.005, 0.002} {
		for _, ahead := range []int{1, 12} {
			t.Run(strconv.FormatFloat(target, 'g', -1, 64)+"/"+strconv.Itoa(ahead), func(t *testing.T) {
				t.Parallel()
				const steps, burnIn = 12000, 2000
				p := mustNew(t, "tce", predict.Config{
					Interval: 5 * time.Minute, Horizon: time.Duration(ahead) * 5 * time.Minute, TargetViolation: target,
				})
				load := newNode(7, 12)
				predicted, truth := make([]float64, steps), make([]float64, steps)
				for i := range steps {
					cs := load.next()
					truth[i] = used(cs)
					predicted[i] = p.Predict(predict.Step{At: epoch.Add(time.Duration(i) * 5 * time.Minute), Containers: cs})
				}
				violations, judged := 0, 0
				for i := burnIn; i+ahead < steps; i++ {
					highest := 0.0
					for _, u := range truth[i+1 : i+1+ahead] {
						highest = max(highest, u)
					}
					judged++
					if highest > predicted[i] {
						violations++
					}
				}
				rate := float64(violations) / float64(judged)
				least := target / 3
				if ahead > 1 { // a twelfth as many independent truths
					least = 0
				}
				if rate > 1.1*target || rate < least {
					t.Errorf("realised %.3f %% of %.3f %% promised", 100*rate, 100*target)
				}
			})
		}
	}
}

func TestTCEStartsCautious(t *testing.T) {
	t.Parallel()
	var calm []predict.Container
	for i := range 10 {
		calm = append(calm, running(strconv.Itoa(i), 2, 0.5))
	}
	p := mustNew(t, "tce", predict.Config{Interval: time.Second, Horizon: 5 * time.Minute})
	// (0.37 + 0.22·ln 12.5)·(5 min/1 h)^0.3·sqrt(10·2²) = 2.78 cores above the present use.
	if above := p.Predict(predict.Step{At: epoch, Containers: calm}) - 5; math.Abs(above-2.78) > 0.01 {
		t.Errorf("the first margin is %.2f cores, want 2.78: nothing was learned yet", above)
	}
	var last float64
	for i := range 4000 {
		last = p.Predict(predict.Step{At: epoch.Add(time.Duration(i+1) * time.Second), Containers: calm})
	}
	if above := last - 5; above > 1.5 {
		t.Errorf("the margin is %.2f cores after an hour of calm: nothing was learned", above)
	}
}

func TestTCEEarlyTarget(t *testing.T) {
	t.Parallel()
	cfg := predict.Config{Interval: time.Hour, Horizon: time.Hour, TargetViolation: 0.01}
	early := mustNew(t, "tce", cfg) // 0.4 of the target, when nothing is said
	cfg.EarlyTarget = 0.01
	plain := mustNew(t, "tce", cfg)
	a, b := newNode(3, 10), newNode(3, 10)
	for i := range 48 {
		at := epoch.Add(time.Duration(i) * time.Hour)
		p := plain.Predict(predict.Step{At: at, Containers: a.next()})
		q := early.Predict(predict.Step{At: at, Containers: b.next()})
		if onFirstDay := i < 24; onFirstDay && q <= p || !onFirstDay && math.Abs(p-q) > 1e-9 {
			t.Errorf("hour %d: %v with an early target, %v without", i, q, p)
		}
	}
}

// An idle service that uses a tenth of what it has leaves room from the first step
// on, and the prediction says for how long it goes by other machines.
func TestTCEBeginsWithThePrior(t *testing.T) {
	t.Parallel()
	p := mustNew(t, "tce", predict.Config{Interval: time.Second, Horizon: 5 * time.Minute, TargetViolation: 0.01})
	if got := predict.Learning(p); got != 0 {
		t.Errorf("learning for %s before the first step", got)
	}
	idle := []predict.Container{running("a", 1, 0.1)}
	if got := p.Predict(predict.Step{At: epoch, Containers: idle}); got > 0.6 || got < 0.4 {
		t.Errorf("predicted %v of an idle core, want about half", got)
	}
	// 1/0.4 % samples, one in 5 s, the first after 5 min.
	if got, want := predict.Learning(p), 5*time.Minute+250*5*time.Second; got != want {
		t.Errorf("learning for %s, want %s", got, want)
	}
	at := epoch
	before := predict.Learning(p)
	for at.Sub(epoch) < 30*time.Minute {
		at = at.Add(time.Second)
		p.Predict(predict.Step{At: at, Containers: idle})
		now := predict.Learning(p)
		if now > before+10*time.Second { // a sample loses weight as it ages
			t.Fatalf("learning for %s at %s, after %s", now, at.Sub(epoch), before)
		}
		before = now
	}
	if before != 0 {
		t.Errorf("still learning for %s after half an hour", before)
	}
	if got := predict.Learning(mustNew(t, "node-max", predict.Config{})); got != 0 {
		t.Errorf("node-max learns for %s", got)
	}
}

// A predictor that is exceeded less often than it may be comes nearer to it.
func TestTCESpendsWhatItIsAllowed(t *testing.T) {
	t.Parallel()
	p := mustNew(t, "tce", predict.Config{Interval: 5 * time.Minute, Horizon: time.Hour, TargetViolation: 0.01, Score: true})
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range 30 * 288 {
		demand := 2 + 0.2*rng.Float64()
		if rng.IntN(500) == 0 {
			demand = 3 + 3*rng.Float64()
		}
		p.Predict(predict.Step{At: epoch.Add(time.Duration(i) * 5 * time.Minute), Containers: []predict.Container{running("a", 10, demand)}})
	}
	score, _ := predict.ScoreOf(p)
	if rate := float64(score.Violations) / float64(score.Predictions); rate < 0.004 || rate > 0.0105 {
		t.Errorf("realised %.2f%% of an allowed 1%%, want between half of it and all", 100*rate)
	}
}

// A promise whose horizon was not watched teaches nothing: had it counted as
// kept, the margin would fall.
func TestTCELearnsNothingFromWhatItDidNotSee(t *testing.T) {
	t.Parallel()
	p := mustNew(t, "tce", predict.Config{Interval: time.Second, Horizon: 10 * time.Second})
	q := mustNew(t, "tce", predict.Config{Interval: time.Second, Horizon: 10 * time.Second})
	at := epoch
	calm := []predict.Container{running("a", 10, 1)}
	first := p.Predict(predict.Step{At: at, Containers: calm})
	q.Predict(predict.Step{At: at, Containers: calm})
	for range 200 {
		at = at.Add(time.Minute) // six horizons between two ticks
		p.Predict(predict.Step{At: at, Containers: calm})
	}
	for i := range 200 {
		q.Predict(predict.Step{At: epoch.Add(time.Duration(i+1) * time.Second), Containers: calm})
	}
	if got := p.Predict(predict.Step{At: at.Add(time.Second), Containers: calm}); got < first {
		t.Errorf("predicted %v after gaps only, less than the %v at first", got, first)
	}
	if got := q.Predict(predict.Step{At: epoch.Add(201 * time.Second), Containers: calm}); got >= first {
		t.Errorf("predicted %v after 200 s of calm, want less than the %v at first", got, first)
	}
}

// A daemon that samples more slowly than it was told still learns.
func TestTCELearnsAtASlowerPace(t *testing.T) {
	t.Parallel()
	p := mustNew(t, "tce", predict.Config{Interval: time.Second, Horizon: 30 * time.Second})
	calm := []predict.Container{running("a", 10, 1)}
	first := p.Predict(predict.Step{At: epoch, Containers: calm})
	var last float64
	for i := range 1000 {
		last = p.Predict(predict.Step{At: epoch.Add(time.Duration(i+1) * 5 * time.Second), Containers: calm})
	}
	if last > first-1.5 {
		t.Errorf("predicted %v at first and %v after an hour of calm, want much less", first, last)
	}
}

func TestTCEBlindContainerComesBack(t *testing.T) {
	t.Parallel()
	p := mustNew(t, "tce", predict.Config{Interval: time.Second, Horizon: 10 * time.Second})
	load := newNode(5, 8)
	var before float64
	for i := range 1000 {
		before = p.Predict(predict.Step{At: epoch.Add(time.Duration(i) * time.Second), Containers: load.next()})
	}
	cs := load.next()
	blind := append([]predict.Container(nil), cs...)
	blind[3] = predict.Container{Key: snapshot.Key{ID: blind[3].ID}, Allocated: 2}
	if got := p.Predict(predict.Step{At: epoch.Add(1000 * time.Second), Containers: blind}); got < before+1 {
		t.Errorf("predicted %v with a blind container of 2 cores, want clearly more than %v", got, before)
	}
	var after float64
	for i := range 100 {
		after = p.Predict(predict.Step{At: epoch.Add(time.Duration(1001+i) * time.Second), Containers: load.next()})
	}
	if math.Abs(after-before) > 3 {
		t.Errorf("predicted %v before and %v long after one blind step", before, after)
	}
}
