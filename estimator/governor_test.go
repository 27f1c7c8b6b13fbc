package estimator_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// brisk is a governor for tests: steps of 1 every 10 s.
func brisk() estimator.GovernorConfig {
	return estimator.GovernorConfig{Quantum: 100, Step: 1000, RaiseEvery: 10 * time.Second, DeadBand: 250}
}

func TestGovernorStory(t *testing.T) {
	cfg := brisk()
	cfg.Hold, cfg.HoldOff, cfg.HoldOffMax = 60*time.Second, 35*time.Second, 35*time.Second
	g, err := estimator.NewGovernor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var clock snapshot.Steady // what the estimator goes by
	for _, step := range []struct {
		name   string
		at     int // seconds
		acted  bool
		stop   bool
		held   resources.Milli
		cut    bool
		target resources.Milli
		total  resources.Milli
		why    reason.Code
	}{
		{name: "the first offer is one step", at: 0, target: 2550, total: 1000, why: reason.RaiseStep},
		{name: "the next step waits", at: 9, target: 2550, total: 1000, why: reason.RaiseStep},
		{name: "the next step", at: 10, target: 2550, total: 2000, why: reason.RaiseStep},
		{name: "the rest, in whole quanta", at: 20, target: 2550, total: 2500, why: reason.Slack},
		{name: "a little more, but not for long enough", at: 70, target: 2749, total: 2500, why: reason.Hold},
		{name: "the hold has passed, the dead-band holds", at: 170, target: 2749, total: 2500, why: reason.DeadBand},
		{name: "a cut is at once and whole", at: 171, target: 320, total: 300, why: reason.Slack},
		{name: "a lull is held", at: 172, target: 3000, total: 300, why: reason.Hold},
		{name: "and still", at: 230, target: 3000, total: 300, why: reason.Hold},
		{name: "the low has left the window", at: 240, target: 3000, total: 1300, why: reason.RaiseStep},
		{name: "after an action nothing rises", at: 251, acted: true, target: 3000, total: 1300, why: reason.Hold},
		{name: "but it is cut", at: 261, target: 900, total: 900, why: reason.Slack},
		{name: "blindness takes all", at: 262, cut: true},
		{name: "another action holds from then on", at: 265, acted: true, target: 3000, why: reason.Hold},
		{name: "the first one would be over", at: 299, target: 3000, why: reason.Hold},
		{name: "sight comes back, up to the low, after the action's hold", at: 301, target: 3000, total: 900, why: reason.Hold},
		{name: "the clock is set back by an hour: the step waits its time", at: 301 - 3600, target: 3000, total: 900, why: reason.Hold},
		{name: "and goes on", at: 335 - 3600, target: 3000, total: 1900, why: reason.RaiseStep},
		{name: "stopped: what is held stays", at: 339 - 3600, stop: true, held: 950, target: 3000, total: 950, why: reason.Stopped},
		{name: "and no more than the slack", at: 339 - 3600, stop: true, held: 950, target: 900, total: 900, why: reason.Stopped},
		{name: "less when a task ends", at: 339 - 3600, stop: true, held: 300, target: 3000, total: 300, why: reason.Stopped},
		{name: "a negative target is nothing", at: 342 - 3600, target: -5, total: 0, why: reason.Slack},
	} {
		at := clock.Advance(&snapshot.Snapshot{At: start.Add(time.Duration(step.at) * time.Second)})
		g.Apply(at, estimator.Feedback{Acted: step.acted, StopOffer: step.stop})
		if step.cut {
			g.Cut()
			continue
		}
		if total, why, _ := g.Next(estimator.Round{At: at, Target: step.target, RevocableAllocated: step.held}); total != step.total || why != step.why {
			t.Fatalf("%s: %v, %s, want %v, %s", step.name, total, why, step.total, step.why)
		}
	}
}

func TestGovernorKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := estimator.GovernorConfig{
			Quantum:    resources.Milli(rapid.Int64Range(1, 300).Draw(t, "quantum")),
			RaiseEvery: time.Duration(rapid.IntRange(0, 30).Draw(t, "every")) * time.Second,
			DeadBand:   resources.Milli(rapid.Int64Range(0, 500).Draw(t, "band")),
			Hold:       time.Duration(rapid.IntRange(0, 60).Draw(t, "hold")) * time.Second, HoldOff: 20 * time.Second,
		}
		cfg.Step = cfg.Quantum + resources.Milli(rapid.Int64Range(0, 2000).Draw(t, "step"))
		g, err := estimator.NewGovernor(cfg)
		if err != nil {
			t.Fatal(err)
		}
		type tick struct {
			at     time.Time
			target resources.Milli
		}
		var seen []tick
		var total resources.Milli
		var raised, holdUntil time.Time
		at := start
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			at = at.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "gap")) * time.Second)
			if rapid.IntRange(0, 9).Draw(t, "action") == 0 {
				holdUntil = at.Add(20 * time.Second)
				g.Apply(at, estimator.Feedback{Acted: true})
			}
			target := resources.Milli(rapid.Int64Range(-100, 8000).Draw(t, "target"))
			seen = append(seen, tick{at, target})
			now, _, _ := g.Next(estimator.Round{At: at, Target: target, RevocableAllocated: 0})
			if now%cfg.Quantum != 0 || now < 0 || now > max(0, target) {
				t.Fatalf("promised %v of a target of %v", now, target)
			}
			if now > total {
				switch {
				case now-total > cfg.Step || now-total < min(cfg.DeadBand, cfg.Step.FloorTo(cfg.Quantum)):
					t.Fatalf("rose by %v", now-total)
				case !raised.IsZero() && at.Sub(raised) < cfg.RaiseEvery:
					t.Fatalf("rose %v after the last raise", at.Sub(raised))
				case at.Before(holdUntil):
					t.Fatal("rose while it was forbidden")
				}
				for _, s := range seen {
					if cfg.Hold > 0 && at.Sub(s.at) <= cfg.Hold && now > max(0, s.target) {
						t.Fatalf("rose to %v above %v, %v ago", now, s.target, at.Sub(s.at))
					}
				}
				raised = at
			}
			total = now
		}
	})
}

func TestGovernorRefuses(t *testing.T) {
	for name, change := range map[string]func(*estimator.GovernorConfig){
		"no quantum":         func(c *estimator.GovernorConfig) { c.Quantum = 0 },
		"step below quantum": func(c *estimator.GovernorConfig) { c.Step = 99 },
		"negative dead-band": func(c *estimator.GovernorConfig) { c.DeadBand = -1 },
		"negative time":      func(c *estimator.GovernorConfig) { c.RaiseEvery = -1 },
		"negative hold-off":  func(c *estimator.GovernorConfig) { c.HoldOff = -1 },
		"step above all":     func(c *estimator.GovernorConfig) { c.StepShare = 1.1 },
		"band of no number":  func(c *estimator.GovernorConfig) { c.BandLeast = math.NaN() },
		"band upside down":   func(c *estimator.GovernorConfig) { c.BandLeast, c.BandMost = 0.2, 0.1 },
		"negative reserve":   func(c *estimator.GovernorConfig) { c.ReserveMost = -0.1 },
		"endless factor":     func(c *estimator.GovernorConfig) { c.BandFactor = math.Inf(1) },
		"negative hold":      func(c *estimator.GovernorConfig) { c.Hold = -1 },
	} {
		cfg := brisk()
		change(&cfg)
		if _, err := estimator.NewGovernor(cfg); !errors.Is(err, estimator.ErrConfig) {
			t.Errorf("%s: error %v, want ErrConfig", name, err)
		}
	}
	for _, name := range []string{resources.CPUs, resources.Mem} {
		if _, err := estimator.NewGovernor(estimator.DefaultGovernor(name)); err != nil {
			t.Errorf("the default for %s: %v", name, err)
		}
	}
}
