package predict_test

import (
	"encoding/json"
	"errors"
	"math"
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
	for _, name := range []string{"tce", "container-max"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load := newNode(11, 6)
			p := trained(t, name, checkpointed, load, 1000)
			c := saved(t, p)
			q := mustNew(t, name, checkpointed)
			at := epoch.Add(1000 * time.Second)
			if err := predict.Restore(q, c, at); err != nil {
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
	if err := errors.Join(predict.Restore(soon, c, at), predict.Restore(late, c, at.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	a := soon.Predict(predict.Step{At: at, Containers: cs})
	b := late.Predict(predict.Step{At: at.Add(time.Hour), Containers: cs})
	if b < 0.95*12 || b <= a {
		t.Errorf("predicted %v of 12 cores at once and %v after an hour, want nearly all of it", a, b)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	good := func() *predict.Checkpoint { return saved(t, trained(t, "tce", checkpointed, newNode(2, 3), 200)) }
	now := epoch.Add(time.Hour)
	for name, damage := range map[string]func(c *predict.Checkpoint){
		"another version":         func(c *predict.Checkpoint) { c.Version = 2 },
		"another predictor":       func(c *predict.Checkpoint) { c.Predictor = "latest" },
		"another horizon":         func(c *predict.Checkpoint) { c.HorizonSeconds = 300 },
		"from the future":         func(c *predict.Checkpoint) { c.At = now.Add(time.Second) },
		"without a time":          func(c *predict.Checkpoint) { c.At = time.Time{} },
		"two weeks old":           func(c *predict.Checkpoint) { c.At, c.Began = now.Add(-336*time.Hour), now.Add(-400*time.Hour) },
		"began after its time":    func(c *predict.Checkpoint) { c.Began = c.At.Add(time.Second) },
		"a window missing":        func(c *predict.Checkpoint) { c.Clocks = c.Clocks[:2] },
		"a window of other size":  func(c *predict.Checkpoint) { c.Clocks[1].BlockNanos++ },
		"a block of another time": func(c *predict.Checkpoint) { c.Clocks[0].Block -= 1 << 62 },
		"a slot out of range":     func(c *predict.Checkpoint) { c.Clocks[0].Slot = 13 },
		"blocks missing":          func(c *predict.Checkpoint) { c.Containers[1].Blocks[0] = c.Containers[1].Blocks[0][:5] },
		"windows missing":         func(c *predict.Checkpoint) { c.Containers[1].Blocks = c.Containers[1].Blocks[:1] },
		"a negative maximum":      func(c *predict.Checkpoint) { c.Containers[0].Blocks[0][0] = -1 },
		"containers out of order": func(c *predict.Checkpoint) {
			c.Containers[0], c.Containers[1] = c.Containers[1], c.Containers[0]
		},
		"no calibration":        func(c *predict.Checkpoint) { c.Calibration = nil },
		"an expert missing":     func(c *predict.Checkpoint) { c.Calibration.Experts = c.Calibration.Experts[1:] },
		"a bucket out of range": func(c *predict.Checkpoint) { c.Calibration.Experts[0][0].Bucket = 1000 },
		"a negative weight":     func(c *predict.Checkpoint) { c.Calibration.Experts[0][0].Weight = -1 },
		"samples that do not add up": func(c *predict.Checkpoint) {
			c.Calibration.Samples++
		},
		"a tightness above one": func(c *predict.Checkpoint) { c.Calibration.Tightness[0] = 1.5 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good()
			damage(c)
			p, fresh := mustNew(t, "tce", checkpointed), mustNew(t, "tce", checkpointed)
			if err := predict.Restore(p, c, now); !errors.Is(err, predict.ErrCheckpoint) {
				t.Fatalf("error %v, want %v", err, predict.ErrCheckpoint)
			}
			load := newNode(2, 3)
			step := predict.Step{At: now, Containers: load.next()}
			if got, want := p.Predict(step), fresh.Predict(step); got != want {
				t.Errorf("predicted %v after a refusal, %v when fresh", got, want)
			}
		})
	}
	p := mustNew(t, "latest", predict.Config{})
	p.Predict(steady(1))
	if c := predict.Save(p); c != nil {
		t.Errorf("latest saved %+v, but keeps nothing", c)
	}
	if err := predict.Restore(p, good(), now); !errors.Is(err, predict.ErrCheckpoint) {
		t.Errorf("latest restored: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	text, err := json.Marshal(predict.Save(trained(f, "tce", checkpointed, newNode(2, 2), 60)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"predictor":"tce"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := new(predict.Checkpoint)
		if json.Unmarshal(text, c) != nil {
			t.Skip("not JSON")
		}
		p := mustNew(t, "tce", checkpointed)
		at := epoch.Add(time.Hour)
		if err := predict.Restore(p, c, at); err != nil && !errors.Is(err, predict.ErrCheckpoint) {
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
