package estimator_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/resources"
)

// learning is mode usage with a predictor that has something to keep, and a
// governor that holds.
func learning() estimator.UsageConfig {
	cfg := direct()
	r := &cfg.Resources[0]
	r.Predictor = "tce"
	r.Peak = predict.Config{Interval: time.Second, Horizon: time.Minute, TargetViolation: 0.01}
	r.Governor = estimator.GovernorConfig{Quantum: 100, Step: 1000, RaiseEvery: time.Second, Hold: 30 * time.Second}
	return cfg
}

// through is c as a file would give it back.
func through(t *testing.T, c *estimator.Checkpoint) *estimator.Checkpoint {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out := &estimator.Checkpoint{}
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestARestartPromisesNoMoreThanBefore(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	before := mustUsage(t, learning())
	if before.Save() != nil {
		t.Error("there is something to save before the first tick")
	}
	total := func(k *tracked, web, db float64) resources.Milli {
		at = at.Add(time.Second)
		return k.Estimate(scene(at, []actor{{id: "a", uses: web, regular: 4000, class: 1, age: old}, {id: "b", uses: db, regular: 2000, class: 1, age: old}}...)).Resources[0].RevocableTotal
	}
	// Hours of steady use, with a rise that is still within the hold.
	for range 2 * 3600 {
		total(before, 0.5, 0.5)
	}
	total(before, 0.8, 0.8)
	promised := total(before, 0.5, 0.5)
	saved := through(t, before.Save())

	at = at.Add(10 * time.Second)
	restored, fresh := mustUsage(t, learning()), mustUsage(t, learning())
	if err := restored.Restore(saved); err != nil {
		t.Fatal(err)
	}
	var highest, ofFresh resources.Milli
	start := at
	for at.Sub(start) < 29*time.Second {
		highest = max(highest, total(restored, 0.5, 0.5))
	}
	if highest > promised {
		t.Errorf("%v promised within the hold after the restart, %v before", highest, promised)
	}
	// Once the hold is over it goes on from what was learned, which one that
	// starts anew cannot.
	for at.Sub(start) < time.Minute {
		highest = total(restored, 0.5, 0.5)
	}
	at = start
	for at.Sub(start) < time.Minute {
		ofFresh = total(fresh, 0.5, 0.5)
	}
	if highest <= ofFresh {
		t.Errorf("%v promised with what was learned, %v without", highest, ofFresh)
	}
}

func TestARestartDoesNotEndAHold(t *testing.T) {
	cfg := learning()
	g := &cfg.Resources[0].Governor
	g.Hold, g.HoldOff, g.HoldOffMax = 0, time.Minute, time.Hour
	at := time.Unix(1_000_000, 0)
	before := mustUsage(t, cfg)
	before.Feedback(estimator.Feedback{Acted: true})
	before.Estimate(scene(at, web(1)))
	saved := through(t, before.Save())
	for _, tc := range []struct {
		name  string
		until time.Time
		held  time.Duration // from the restart, 20 s later
	}{
		{"as it was", saved.Resources[0].Governor.HoldOff.Until, 40 * time.Second},
		{"over", at.Add(10 * time.Second), 0},
		{"never", time.Time{}, 0},
	} {
		saved.Resources[0].Governor.HoldOff.Until = tc.until
		restored := mustUsage(t, cfg)
		start := at.Add(20 * time.Second)
		if err := restored.Restore(saved); err != nil {
			t.Fatal(err)
		}
		if r := restored.Estimate(scene(start, web(1))).Resources[0]; r.Governor.HoldSeconds != tc.held.Seconds() {
			t.Errorf("%s: no raise for %v s after the restart, want %s", tc.name, r.Governor.HoldSeconds, tc.held)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	k := mustUsage(t, learning())
	k.Estimate(scene(at, web(1)))
	good := k.Save()
	for name, change := range map[string]func(*estimator.Checkpoint) *estimator.Checkpoint{
		"nothing":         func(*estimator.Checkpoint) *estimator.Checkpoint { return nil },
		"another version": func(c *estimator.Checkpoint) *estimator.Checkpoint { c.Version++; return c },
		"without a time":  func(c *estimator.Checkpoint) *estimator.Checkpoint { c.Clock.At = time.Time{}; return c },
		"a hold that no action makes": func(c *estimator.Checkpoint) *estimator.Checkpoint {
			c.Resources[0].Governor.HoldOff.Until = at.Add(1000 * time.Hour)
			return c
		},
		"a volatility above all": func(c *estimator.Checkpoint) *estimator.Checkpoint {
			c.Resources[0].Governor.Volatility.Mean = 1.5
			return c
		},
		"another resource": func(c *estimator.Checkpoint) *estimator.Checkpoint { c.Resources[0].Name = "mem"; return c },
		"another predictor": func(c *estimator.Checkpoint) *estimator.Checkpoint {
			c.Resources[0].Predictor.Predictor = "node-percentile"
			return c
		},
		"a predictor's clock": func(c *estimator.Checkpoint) *estimator.Checkpoint {
			c.Resources[0].Predictor.At = time.Time{}
			return c
		},
	} {
		fresh := mustUsage(t, learning())
		if err := fresh.Restore(change(through(t, good))); !errors.Is(err, estimator.ErrCheckpoint) {
			t.Errorf("%s: error %v, want ErrCheckpoint", name, err)
		}
		if o := fresh.Estimate(scene(at.Add(time.Second), web(1))); len(o.Resources) != 1 {
			t.Errorf("%s: the estimator does not work after that", name)
		}
	}
	if err := k.Restore(good); !errors.Is(err, estimator.ErrCheckpoint) {
		t.Errorf("one that has begun was restored: %v", err)
	}
}

func TestShadowsAreGradedAndChangeNothing(t *testing.T) {
	cfg := learning()
	plain := mustUsage(t, cfg)
	cfg.Predictors = compared.Predictors()
	cfg.Resources[0].Shadows = []string{"latest", "container-max"}
	shadowed := mustUsage(t, cfg)
	at := time.Unix(1_000_000, 0)
	var last estimator.Offer
	for i := range 600 {
		at = at.Add(time.Second)
		use := 0.5
		if i%50 == 0 {
			use = 2 // what latest never sees coming
		}
		want := plain.Estimate(scene(at, web(use))).Resources[0]
		last = shadowed.Estimate(scene(at, web(use)))
		if got := last.Resources[0]; !reflect.DeepEqual(got, want) {
			t.Fatalf("tick %d: %+v with shadows, %+v without", i, got, want)
		}
	}
	scores := map[string]estimator.PredictorScore{}
	for _, s := range last.Scores {
		scores[s.Predictor] = s
	}
	latest, highest := scores["latest"], scores["container-max"]
	if len(scores) != 3 || latest.Predictions == 0 || latest.Violations == 0 || highest.Violations >= latest.Violations {
		t.Errorf("scores %+v: want three, latest with violations, container-max with fewer", last.Scores)
	}
	cfg.Resources[0].Shadows = []string{"tce"}
	if _, err := estimator.NewUsage(cfg); !errors.Is(err, estimator.ErrConfig) {
		t.Errorf("a predictor as its own shadow: %v, want ErrConfig", err)
	}
}
