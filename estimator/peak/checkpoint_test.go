package peak_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator/peak"
)

// trained has watched a load for n seconds.
func trained(t testing.TB, name string, cfg peak.Config, load *node, n int) peak.Predictor {
	t.Helper()
	p := mustNew(t, name, cfg)
	for i := range n {
		p.Predict(peak.Step{At: epoch.Add(time.Duration(i) * time.Second), Containers: load.next()})
	}
	return p
}

var checkpointed = peak.Config{Interval: time.Second, Horizon: 10 * time.Second, Window: time.Hour}

// saved is a checkpoint that went through a file.
func saved(t testing.TB, p peak.Predictor) *peak.Checkpoint {
	t.Helper()
	text, err := json.Marshal(peak.Save(p))
	if err != nil {
		t.Fatal(err)
	}
	c := new(peak.Checkpoint)
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
			if err := peak.Restore(q, c, at); err != nil {
				t.Fatal(err)
			}
			// Promises under way are lost, so that both drift apart slowly.
			for i := range 100 {
				cs := load.next()
				at := at.Add(time.Duration(i) * time.Second)
				want := p.Predict(peak.Step{At: at, Containers: cs})
				got := q.Predict(peak.Step{At: at, Containers: cs})
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
	if err := errors.Join(peak.Restore(soon, c, at), peak.Restore(late, c, at.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	a := soon.Predict(peak.Step{At: at, Containers: cs})
	b := late.Predict(peak.Step{At: at.Add(time.Hour), Containers: cs})
	if b < 0.95*12 || b <= a {
		t.Errorf("predicted %v of 12 cores at once and %v after an hour, want nearly all of it", a, b)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	good := func() *peak.Checkpoint { return saved(t, trained(t, "tce", checkpointed, newNode(2, 3), 200)) }
	now := epoch.Add(time.Hour)
	for name, damage := range map[string]func(c *peak.Checkpoint){
		"another version":         func(c *peak.Checkpoint) { c.Version = 2 },
		"another predictor":       func(c *peak.Checkpoint) { c.Predictor = "latest" },
		"another horizon":         func(c *peak.Checkpoint) { c.HorizonSeconds = 300 },
		"from the future":         func(c *peak.Checkpoint) { c.At = now.Add(time.Second) },
		"without a time":          func(c *peak.Checkpoint) { c.At = time.Time{} },
		"two weeks old":           func(c *peak.Checkpoint) { c.At, c.Began = now.Add(-336*time.Hour), now.Add(-400*time.Hour) },
		"began after its time":    func(c *peak.Checkpoint) { c.Began = c.At.Add(time.Second) },
		"a window missing":        func(c *peak.Checkpoint) { c.Clocks = c.Clocks[:2] },
		"a window of other size":  func(c *peak.Checkpoint) { c.Clocks[1].BlockNanos++ },
		"a block of another time": func(c *peak.Checkpoint) { c.Clocks[0].Block -= 1 << 62 },
		"a slot out of range":     func(c *peak.Checkpoint) { c.Clocks[0].Slot = 13 },
		"blocks missing":          func(c *peak.Checkpoint) { c.Containers[1].Blocks[0] = c.Containers[1].Blocks[0][:5] },
		"windows missing":         func(c *peak.Checkpoint) { c.Containers[1].Blocks = c.Containers[1].Blocks[:1] },
		"a negative maximum":      func(c *peak.Checkpoint) { c.Containers[0].Blocks[0][0] = -1 },
		"containers out of order": func(c *peak.Checkpoint) {
			c.Containers[0], c.Containers[1] = c.Containers[1], c.Containers[0]
		},
		"no calibration":        func(c *peak.Checkpoint) { c.Calibration = nil },
		"an expert missing":     func(c *peak.Checkpoint) { c.Calibration.Experts = c.Calibration.Experts[1:] },
		"a bucket out of range": func(c *peak.Checkpoint) { c.Calibration.Experts[0][0].Bucket = 1000 },
		"a negative weight":     func(c *peak.Checkpoint) { c.Calibration.Experts[0][0].Weight = -1 },
		"samples that do not add up": func(c *peak.Checkpoint) {
			c.Calibration.Samples++
		},
		"a tightness above one": func(c *peak.Checkpoint) { c.Calibration.Tightness[0] = 1.5 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good()
			damage(c)
			p, fresh := mustNew(t, "tce", checkpointed), mustNew(t, "tce", checkpointed)
			if err := peak.Restore(p, c, now); !errors.Is(err, peak.ErrCheckpoint) {
				t.Fatalf("error %v, want %v", err, peak.ErrCheckpoint)
			}
			load := newNode(2, 3)
			step := peak.Step{At: now, Containers: load.next()}
			if got, want := p.Predict(step), fresh.Predict(step); got != want {
				t.Errorf("predicted %v after a refusal, %v when fresh", got, want)
			}
		})
	}
	p := mustNew(t, "latest", peak.Config{})
	p.Predict(steady(1))
	if c := peak.Save(p); c != nil {
		t.Errorf("latest saved %+v, but keeps nothing", c)
	}
	if err := peak.Restore(p, good(), now); !errors.Is(err, peak.ErrCheckpoint) {
		t.Errorf("latest restored: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	text, err := json.Marshal(peak.Save(trained(f, "tce", checkpointed, newNode(2, 2), 60)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"predictor":"tce"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := new(peak.Checkpoint)
		if json.Unmarshal(text, c) != nil {
			t.Skip("not JSON")
		}
		p := mustNew(t, "tce", checkpointed)
		at := epoch.Add(time.Hour)
		if err := peak.Restore(p, c, at); err != nil && !errors.Is(err, peak.ErrCheckpoint) {
			t.Fatalf("error %v is not %v", err, peak.ErrCheckpoint)
		}
		load := newNode(2, 2)
		for i := range 30 {
			step := peak.Step{At: at.Add(time.Duration(i) * time.Second), Containers: load.next()}
			lowest, highest := bounds(step)
			if got := p.Predict(step); !(got >= lowest-1e-9 && got <= highest+1e-9) {
				t.Fatalf("predicted %v, not between %v and %v", got, lowest, highest)
			}
		}
	})
}
