package predict_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
)

// trained has watched a load for n seconds.
func trained(t testing.TB, name string, cfg predict.Config, load *node, n int) predict.Predictor {
	t.Helper()
	p := mustNew(t, name, cfg)
	for i := range n {
		p.Predict(predict.Step{At: epoch.Add(time.Duration(i) * time.Second), Containers: load.next()})
	}
	return p
}

var checkpointed = predict.Config{Interval: time.Second, Horizon: 10 * time.Second, Window: time.Hour}

// saved is a checkpoint that went through a file.
func saved(t testing.TB, p predict.Predictor) *predict.Checkpoint {
	t.Helper()
	text, err := json.Marshal(predict.Save(p))
	if err != nil {
		t.Fatal(err)
	}
	c := new(predict.Checkpoint)
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckpointGoesOn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tce", "container-max", "node-max", "node-percentile"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load := newNode(11, 6)
			p := trained(t, name, checkpointed, load, 1000)
			c := saved(t, p)
			q := mustNew(t, name, checkpointed)
			at := epoch.Add(1000 * time.Second)
			if err := predict.Restore(q, c); err != nil {
				t.Fatal(err)
			}
			// Promises under way are lost, so that both drift apart slowly.
			for i := range 100 {
				cs := load.next()
				at := at.Add(time.Duration(i) * time.Second)
				want := p.Predict(predict.Step{At: at, Containers: cs})
				got := q.Predict(predict.Step{At: at, Containers: cs})
				if tolerance := 0.02 + 0.02*float64(i); math.Abs(got-want) > min(tolerance, 0.3) {
					t.Fatalf("%d s after the restart: %v, want %v as without one", i, got, want)
				}
			}
		})
	}
}

// What happened while nobody looked may have been a peak.
func TestCheckpointAfterALongTimeIsCautious(t *testing.T) {
	t.Parallel()
	load := newNode(11, 6)
	p := trained(t, "tce", checkpointed, load, 1000)
	c := saved(t, p)
	cs := load.next()
	soon, late := mustNew(t, "tce", checkpointed), mustNew(t, "tce", checkpointed)
	at := epoch.Add(1000 * time.Second)
	if err := errors.Join(predict.Restore(soon, c), predict.Restore(late, c)); err != nil {
		t.Fatal(err)
	}
	a := soon.Predict(predict.Step{At: at, Containers: cs})
	b := late.Predict(predict.Step{At: at.Add(time.Hour), Containers: cs})
	if b < 0.95*12 || b <= a {
		t.Errorf("predicted %v of 12 cores at once and %v after an hour, want nearly all of it", a, b)
	}
}

// object is a state as JSON has it.
type object map[string]any

func (o object) of(key string) object  { return o[key].(map[string]any) }
func (o object) list(key string) []any { return o[key].([]any) }
func (o object) container(i int) object {
	return object(o.list("containers")[i].(map[string]any)).of("state")
}

func (o object) expert(i int) object { return o.of("calibrator").list("residuals")[i].(map[string]any) }

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	good := func() *predict.Checkpoint { return saved(t, trained(t, "tce", checkpointed, newNode(2, 3), 200)) }
	now := epoch.Add(time.Hour)
	for name, damage := range map[string]func(c *predict.Checkpoint, state object){
		"another predictor":       func(c *predict.Checkpoint, _ object) { c.Predictor = "latest" },
		"another horizon":         func(_ *predict.Checkpoint, s object) { s["horizon_ns"] = 300e9 },
		"without a time":          func(c *predict.Checkpoint, _ object) { c.At = time.Time{} },
		"of another time":         func(c *predict.Checkpoint, _ object) { c.At = now.Add(24 * time.Hour) },
		"began after its time":    func(c *predict.Checkpoint, s object) { s["began"] = c.At.Add(time.Second) },
		"a window missing":        func(_ *predict.Checkpoint, s object) { delete(s, "day") },
		"a window of other size":  func(_ *predict.Checkpoint, s object) { s.of("six_hours")["block_ns"] = 1 },
		"a block of another time": func(_ *predict.Checkpoint, s object) { s.of("hour")["block"] = -1 << 60 },
		"a slot out of range":     func(_ *predict.Checkpoint, s object) { s.of("hour")["slot"] = 13 },
		"blocks missing":          func(_ *predict.Checkpoint, s object) { s.container(1)["hour"] = []int{1, 2, 3, 4, 5} },
		"a negative maximum": func(_ *predict.Checkpoint, s object) {
			s.container(0)["hour"] = []int{-1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		},
		"containers out of order": func(_ *predict.Checkpoint, s object) { slices.Reverse(s.list("containers")) },
		"a container's state missing": func(_ *predict.Checkpoint, s object) {
			delete(object(s.list("containers")[1].(map[string]any)), "state")
		},
		"no calibration": func(_ *predict.Checkpoint, s object) { delete(s, "calibrator") },
		"an expert missing": func(_ *predict.Checkpoint, s object) {
			c := s.of("calibrator")
			c["residuals"] = c.list("residuals")[1:]
		},
		"a bucket out of range": func(_ *predict.Checkpoint, s object) { e := s.expert(0); e["weight"] = append(make([]any, 128), 1000) },
		"a negative weight":     func(_ *predict.Checkpoint, s object) { s.expert(0).list("weight")[0] = -1 },
		"a weight of nothing":   func(_ *predict.Checkpoint, s object) { s.of("calibrator")["weight"] = 0 },
		"samples that do not add up": func(_ *predict.Checkpoint, s object) {
			s.of("calibrator")["samples"] = s.of("calibrator")["samples"].(float64) + 1
		},
		"a tightness above one": func(_ *predict.Checkpoint, s object) { s.list("tightness")[0] = 1.5 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good()
			var state object
			if err := json.Unmarshal(c.State, &state); err != nil {
				t.Fatal(err)
			}
			damage(c, state)
			c.State, _ = json.Marshal(state)
			p, fresh := mustNew(t, "tce", checkpointed), mustNew(t, "tce", checkpointed)
			if err := predict.Restore(p, c); !errors.Is(err, predict.ErrCheckpoint) {
				t.Fatalf("error %v, want %v", err, predict.ErrCheckpoint)
			}
			load := newNode(2, 3)
			step := predict.Step{At: now, Containers: load.next()}
			if got, want := p.Predict(step), fresh.Predict(step); got != want {
				t.Errorf("predicted %v after a refusal, %v when fresh", got, want)
			}
		})
	}
	for name, state := range map[string]string{
		"node-max":        `{"window":{"block_ns":1,"block":1,"slot":0},"highest":[0,0,0,0,0,0,0,0,0,0,0,0,0]}`,
		"node-percentile": `{"weight":[1,1],"total":5}`,
		"container-max":   `{"window":{"block_ns":300000000000,"block":0,"slot":99},"containers":[]}`,
	} {
		c := saved(t, trained(t, name, checkpointed, newNode(2, 3), 200))
		if err := predict.Restore(mustNew(t, name, checkpointed), c); err != nil {
			t.Errorf("%s: its own checkpoint: %v", name, err)
		}
		c.State = []byte(state)
		if err := predict.Restore(mustNew(t, name, checkpointed), c); !errors.Is(err, predict.ErrCheckpoint) {
			t.Errorf("%s: restored from %s: %v", name, state, err)
		}
	}
	p := mustNew(t, "latest", predict.Config{})
	p.Predict(steady(1))
	if c := predict.Save(p); c != nil {
		t.Errorf("latest saved %+v, but keeps nothing", c)
	}
	if err := predict.Restore(p, good()); !errors.Is(err, predict.ErrCheckpoint) {
		t.Errorf("latest restored: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	text, err := json.Marshal(predict.Save(trained(f, "tce", checkpointed, newNode(2, 2), 60)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"predictor":"tce","at":"1970-01-02T00:00:00Z","state":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := new(predict.Checkpoint)
		if json.Unmarshal(text, c) != nil {
			t.Skip("not JSON")
		}
		p := mustNew(t, "tce", checkpointed)
		at := epoch.Add(time.Hour)
		if err := predict.Restore(p, c); err != nil && !errors.Is(err, predict.ErrCheckpoint) {
			t.Fatalf("error %v is not %v", err, predict.ErrCheckpoint)
		}
		load := newNode(2, 2)
		for i := range 30 {
			step := predict.Step{At: at.Add(time.Duration(i) * time.Second), Containers: load.next()}
			lowest, highest := bounds(step)
			if got := p.Predict(step); !(got >= lowest-1e-9 && got <= highest+1e-9) {
				t.Fatalf("predicted %v, not between %v and %v", got, lowest, highest)
			}
		}
	})
}
