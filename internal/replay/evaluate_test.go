package replay

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator/predict"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// The oracle's one pass gives what the definition says.
func TestOracleKnowsTheTruth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ahead := rapid.IntRange(1, 6).Draw(t, "ahead")
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		usage := make([]map[string]float64, steps)
		for i := range usage {
			usage[i] = map[string]float64{}
			for _, id := range []string{"a", "b", "c"} {
				if rapid.IntRange(0, 3).Draw(t, "present") > 0 {
					usage[i][id] = float64(rapid.IntRange(0, 5).Draw(t, "usage"))
				}
			}
		}
		o := newOracle(time.Duration(ahead) * time.Second)
		var got []float64
		for i, now := range usage {
			s := predict.Step{At: time.Unix(int64(i), 0)}
			for _, id := range []string{"a", "b", "c"} {
				if u, present := now[id]; present {
					s.Containers = append(s.Containers, predict.Container{Key: snapshot.Key{ID: id}, Allocated: 4, Demand: u, Known: true})
				}
			}
			o.step(s, 0, func(p *prediction) { got = append(got, p.truth) })
		}
		if len(got) != max(0, steps-ahead) {
			t.Fatalf("%d truths of %d steps %d ahead", len(got), steps, ahead)
		}
		for i := range got {
			want := 0.0
			for s := i + 1; s <= i+ahead; s++ {
				sum := 0.0
				for id := range usage[i] {
					there := true
					for k := i; k <= s; k++ {
						_, present := usage[k][id]
						there = there && present
					}
					if there {
						sum += min(usage[s][id], 4)
					}
				}
				want = max(want, sum)
			}
			if got[i] != want {
				t.Fatalf("step %d: %v, want %v", i, got[i], want)
			}
		}
	})
}

// scripted predicts what it is told, step by step.
type scripted struct {
	say []float64
	n   int
}

func (s *scripted) Predict(predict.Step) float64 {
	s.n++
	return s.say[s.n-1]
}

func says(label string, values ...float64) Estimator {
	return Estimator{Label: label, New: func(predict.Config) (predict.Predictor, error) { return &scripted{say: values}, nil }}
}

func TestScoresByHand(t *testing.T) {
	t.Parallel()
	// One container of 10 cores that uses 1 2 8 2 1; one more comes at the
	// third step and does not count for the first two.
	trace, err := OpenTrace(write(t, "hand.csv",
		"300,n0c32,a,1,10,,", "600,n0c32,a,2,10,,", "900,n0c32,a,8,10,,", "1200,n0c32,a,2,10,,", "1500,n0c32,a,1,10,,",
		"900,n0c32,b,5,10,,", "1200,n0c32,b,6,10,,", "1500,n0c32,b,5,10,,"), TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cells, _, err := Evaluate(trace, &Options{
		Resources: []string{CPU, Memory}, Horizons: []time.Duration{10 * time.Minute},
		Estimators: []Estimator{says("e", 7, 8, 20, 20, 20)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 1 {
		t.Fatalf("%d cells, want 1: the trace has no memory", len(cells))
	}
	// Ten minutes ahead the truths are 8 (of 10), 8 (of 10), 8 (of 20: 2+6, 1+5).
	got := cells[0].Score
	want := Score{
		Steps: 3, Savings: (3 + 2 + 0) / 40.0, Oracle: (2 + 2 + 12) / 40.0,
		ViolationRate: 1 / 3.0, WorstNodeViolationRate: 1 / 3.0, SeverityMean: 0.1, SeverityP99: 0.1,
		Changes: 1, Shrinks: 1, // 3.0, 2.0, 0.0 cores
	}
	for name, pair := range map[string][2]float64{
		"steps": {float64(got.Steps), float64(want.Steps)}, "savings": {got.Savings, want.Savings}, "oracle": {got.Oracle, want.Oracle},
		"violations": {got.ViolationRate, want.ViolationRate}, "worst node": {got.WorstNodeViolationRate, want.WorstNodeViolationRate},
		"severity": {got.SeverityMean, want.SeverityMean}, "severity p99": {got.SeverityP99, want.SeverityP99},
		"changes": {got.Changes, want.Changes}, "shrinks": {got.Shrinks, want.Shrinks},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestBurnInIsNotScored(t *testing.T) {
	t.Parallel()
	trace, err := OpenTrace(write(t, "burn.csv", manyRows(20)...), TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for burnIn, want := range map[time.Duration]int{0: 19, 50 * time.Minute: 10, -1: 16} { // a sixth of 100 min is 16:40
		latest, err := ParseEstimator("latest")
		if err != nil {
			t.Fatal(err)
		}
		cells, _, err := Evaluate(trace, &Options{
			Resources: []string{CPU}, Horizons: []time.Duration{5 * time.Minute}, BurnIn: burnIn, Estimators: []Estimator{latest},
		})
		if err != nil {
			t.Fatal(err)
		}
		if cells[0].Steps != want {
			t.Errorf("burn-in %s: %d steps scored of 19 with a horizon, want %d", burnIn, cells[0].Steps, want)
		}
	}
}

func TestDefaultBurnIn(t *testing.T) {
	t.Parallel()
	for span, want := range map[time.Duration]time.Duration{
		2 * time.Hour: 20 * time.Minute, 72 * time.Hour: 12 * time.Hour, 120 * time.Hour: 24 * time.Hour, 336 * time.Hour: 24 * time.Hour,
	} {
		if got := DefaultBurnIn(span); got != want {
			t.Errorf("%s: %s, want %s", span, got, want)
		}
	}
}

func TestEvaluateRefuses(t *testing.T) {
	t.Parallel()
	trace := synthetic{seed: 1, nodes: 1, steady: 1, steps: 10, interval: 300}.open(t, "s.csv")
	good := Options{Resources: []string{CPU}, Horizons: []time.Duration{time.Hour}, Estimators: []Estimator{says("e")}}
	for name, change := range map[string]func(*Options){
		"no estimator": func(o *Options) { o.Estimators = nil },
		"no horizon":   func(o *Options) { o.Horizons = nil },
		"horizon within a step": func(o *Options) {
			o.Horizons = []time.Duration{time.Hour, time.Minute}
		},
		"horizon of zero": func(o *Options) { o.Horizons = []time.Duration{0} },
		"unknown resource": func(o *Options) {
			o.Resources = []string{"disk"}
		},
	} {
		opts := good
		change(&opts)
		if _, _, err := Evaluate(trace, &opts); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v, want %v", name, err, ErrOptions)
		}
	}
}

// recorder remembers what a predictor said.
type recorder struct {
	predict.Predictor
	said *[]float64
}

func (r recorder) Predict(s predict.Step) float64 {
	p := r.Predictor.Predict(s)
	*r.said = append(*r.said, p)
	return p
}

// Permuting the future does not change the past, for any estimator.
func TestNoEstimatorSeesTheFuture(t *testing.T) {
	t.Parallel()
	lines := synthetic{seed: 3, nodes: 1, steady: 6, fleeting: 3, steps: 200, interval: 300}.lines()
	const now = 120 * 300
	shuffled := append([]string(nil), lines...)
	rng := rand.New(rand.NewPCG(9, 9))
	for i, l := range shuffled { // another future: other usage after now
		fields := strings.Split(l, ",")
		var at int
		if _, err := fmt.Sscan(fields[0], &at); err != nil {
			t.Fatal(err)
		}
		if at > now {
			fields[3], fields[5] = fmt.Sprintf("%.3f", rng.Float64()), fmt.Sprintf("%.0f", 4096*rng.Float64())
			shuffled[i] = strings.Join(fields, ",")
		}
	}
	for _, name := range compared.Predictors().Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said [2][]float64
			for i, ls := range [][]string{lines, shuffled} {
				trace, err := OpenTrace(write(t, "future.csv", ls...), TraceOptions{})
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = Evaluate(trace, &Options{
					Resources: []string{CPU}, Horizons: []time.Duration{30 * time.Minute},
					Estimators: []Estimator{{Label: name, New: func(cfg predict.Config) (predict.Predictor, error) {
						p, err := compared.Predictors().New(name, cfg)
						return recorder{p, &said[i]}, err
					}}},
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			differ := 0
			for i := range said[0] {
				same := said[0][i] == said[1][i]
				if i < now/300 && !same {
					t.Fatalf("step %d: %v or %v, by what comes later", i, said[0][i], said[1][i])
				}
				if i >= now/300 && !same {
					differ++
				}
			}
			if differ == 0 && name != "fixed-share" {
				t.Error("another future made no difference afterwards: the test sees nothing")
			}
		})
	}
}

func TestReplayIsDeterministic(t *testing.T) {
	t.Parallel()
	path := write(t, "same.csv.gz", synthetic{seed: 5, nodes: 2, steady: 5, fleeting: 3, steps: 300, interval: 300}.lines()...)
	var out [2]bytes.Buffer
	for i := range out {
		r, err := Run(&Request{
			Traces: []string{path}, Estimators: []string{"tce", "n-sigma"}, TargetViolation: 0.01,
			BurnIn: -1, Timelines: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.WriteJSON(&out[i]), r.WriteText(&out[i]), r.WriteHTML(&out[i]), r.WriteMarkdown(&out[i])); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out[0].Bytes(), out[1].Bytes()) {
		t.Error("two runs differ")
	}
}

// weigher records the live heap at every 500th step.
type weigher struct {
	n    int
	heap *[]uint64
}

func (w *weigher) Predict(predict.Step) float64 {
	if w.n++; w.n%500 == 0 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		*w.heap = append(*w.heap, m.HeapAlloc)
	}
	return 0
}

func TestMemoryDoesNotGrowWithTheTrace(t *testing.T) { // not parallel: it reads the heap
	trace := synthetic{seed: 8, nodes: 1, steady: 4, fleeting: 2, steps: 10000, interval: 60}.open(t, "long.csv.gz")
	var heap []uint64
	_, _, err := Evaluate(trace, &Options{
		Resources: []string{CPU, Memory}, Horizons: []time.Duration{time.Hour},
		Estimators: []Estimator{{Label: "weigher", New: func(predict.Config) (predict.Predictor, error) { return &weigher{heap: &heap}, nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if early, late := heap[2], heap[len(heap)-1]; late > early+256<<10 {
		t.Errorf("%d bytes live early on, %d at the end of a trace seven times as long", early, late)
	}
}
