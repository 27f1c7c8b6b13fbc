package estimator_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
)

// patient is a governor that waits for its slack's volatility, in steps of any size.
func patient() estimator.GovernorConfig {
	return estimator.GovernorConfig{
		Quantum: 100, Step: 100_000, BandFactor: 10, BandLeast: 0.01, BandMost: 0.2, ReserveFactor: 1, ReserveMost: 0.04,
	}
}

func mustGovernor(t *testing.T, cfg estimator.GovernorConfig) *estimator.Governor {
	t.Helper()
	g, err := estimator.NewGovernor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTheDeadBandFollowsTheVolatility(t *testing.T) {
	for _, tc := range []struct {
		name          string
		swing         resources.Milli // every five minutes, of 100 cpus
		band, reserve resources.Milli
	}{
		{"still", 0, 1000, 0},
		{"calm", 500, 5000, 500},
		{"volatility", 1500, 15000, 1500},
		{"more than the most", 30000, 20000, 4000},
	} {
		for _, tick := range []time.Duration{time.Second, 15 * time.Second, 5 * time.Minute} {
			g := mustGovernor(t, patient())
			var terms estimator.Terms
			for at := time.Duration(0); at < 12*time.Hour; at += tick {
				target := resources.Milli(50_000)
				if at/(5*time.Minute)%2 == 0 {
					target += tc.swing
				}
				_, _, terms = g.Next(estimator.Round{At: start.Add(at), Target: target, RegularAllocated: 100_000})
			}
			if math.Abs((terms.DeadBand-tc.band).Float()) > 0.02 || math.Abs((terms.Reserve-tc.reserve).Float()) > 0.002 {
				t.Errorf("%s, every %s: band %v and reserve %v, want %v and %v", tc.name, tick, terms.DeadBand, terms.Reserve, tc.band, tc.reserve)
			}
		}
	}
}

func TestAChangeLeavesTheReserve(t *testing.T) {
	terms := estimator.Terms{Before: 5000, Quantum: 100, Step: 100_000, DeadBand: 1000, Reserve: 250}
	for _, tc := range []struct {
		name          string
		target, least resources.Milli
		total         resources.Milli
		why           reason.Code
	}{
		{"what is promised already", 5000, 5000, 5000, reason.Slack},
		{"a fall takes the reserve along, in whole quanta", 4900, 4900, 4600, reason.Slack},
		{"not below nothing", 100, 100, 0, reason.Slack},
		{"a rise that leaves less than the band above the reserve", 6200, 6200, 5000, reason.DeadBand},
		{"a rise up to the reserve", 6300, 6300, 6000, reason.Slack},
		{"up to the least of the hold", 9000, 6300, 6000, reason.Hold},
	} {
		terms.Least = tc.least
		total, why := terms.Decide(tc.target, 0)
		if total != tc.total || why != tc.why {
			t.Errorf("%s: %v, %s, want %v, %s", tc.name, total, why, tc.total, tc.why)
		}
	}
}

// A fleet whose slack rises in one moment does not rise in one moment.
func TestAFleetDoesNotPulse(t *testing.T) {
	const nodes = 400
	every := 15 * time.Second
	raisedAt := func(seed uint64, fall bool) time.Duration {
		g := mustGovernor(t, estimator.GovernorConfig{Quantum: 100, Step: 100_000, RaiseEvery: every, Seed: seed})
		at := start
		if fall { // a second rise, later
			for ; at.Before(start.Add(time.Minute)); at = at.Add(time.Second) {
				g.Next(estimator.Round{At: at, Target: 2000, RegularAllocated: 8000})
			}
			g.Next(estimator.Round{At: at, RegularAllocated: 8000})
			at = at.Add(time.Minute)
		}
		from := at
		for ; ; at = at.Add(100 * time.Millisecond) {
			total, why, _ := g.Next(estimator.Round{At: at, Target: 2000, RegularAllocated: 8000})
			if total > 0 {
				return at.Sub(from)
			}
			if why != reason.RaiseStep || at.Sub(from) > every {
				t.Fatalf("seed %d: not raised after %s for %s", seed, at.Sub(from), why)
			}
		}
	}
	var slots [5]int
	same := 0
	for seed := uint64(1); seed <= nodes; seed++ {
		d := raisedAt(seed, false)
		slots[min(4, int(5*d/every))]++
		if d != raisedAt(seed, false) {
			t.Fatalf("seed %d: not the same twice", seed)
		}
		if d == raisedAt(seed, true) {
			same++
		}
	}
	for i, n := range slots {
		if n < nodes/10 || n > 3*nodes/10 {
			t.Errorf("%d of %d nodes rise in slot %d of 5: %v", n, nodes, i, slots)
		}
	}
	if same > nodes/10 {
		t.Errorf("%d of %d nodes wait equally long at their second rise", same, nodes)
	}
	if d := raisedAt(0, false); d != 0 {
		t.Errorf("without a seed raised after %s, want at once", d)
	}
}

// Whatever the slack does, the promise is never above it, and a cut is at once.
func TestAPatientGovernorIsNeverAboveItsTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := estimator.DefaultGovernor(resources.CPUs)
		cfg.Seed = rapid.Uint64().Draw(t, "seed")
		g, err := estimator.NewGovernor(cfg)
		if err != nil {
			t.Fatal(err)
		}
		at := start
		for range rapid.IntRange(1, 100).Draw(t, "ticks") {
			at = at.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "gap")) * time.Second)
			target := resources.Milli(rapid.Int64Range(-100, 8000).Draw(t, "target"))
			allocated := resources.Milli(rapid.Int64Range(0, 20_000).Draw(t, "allocated"))
			before := g.Total
			total, _, terms := g.Next(estimator.Round{At: at, Target: target, RegularAllocated: allocated})
			switch {
			case total < 0 || total > max(0, target) || total%cfg.Quantum != 0:
				t.Fatalf("promised %v of %v", total, target)
			case total > before && (total-before < terms.DeadBand && total-before < terms.Step.FloorTo(cfg.Quantum) || total-before > terms.Step):
				t.Fatalf("rose by %v: %+v", total-before, terms)
			case total < before && target >= before:
				t.Fatalf("fell from %v to %v with a target of %v", before, total, target)
			case total < before && target-total > terms.Reserve+2*cfg.Quantum && total > 0:
				t.Fatalf("fell to %v with a target of %v and a reserve of %v", total, target, terms.Reserve)
			}
		}
	})
}
