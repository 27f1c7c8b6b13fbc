package estimator_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestAStoppedOfferLeavesNothingFree(t *testing.T) {
	e := mustUsage(t, direct())
	at := start
	estimate := func(cast ...actor) (estimator.Offer, estimator.ResourceOffer) {
		at = at.Add(time.Second)
		o := e.Estimate(scene(at, cast...))
		return o, o.Resources[0]
	}
	if _, r := estimate(web(1), batch(0.5)); r.RevocableTotal != 3000 || r.Offered != 2000 {
		t.Fatalf("before: %+v", r)
	}
	e.Feedback(estimator.Feedback{StopOffer: true})
	o, r := estimate(web(1), batch(0.5))
	if r.RevocableTotal != 1000 || r.Offered != 0 || r.Why != reason.Stopped {
		t.Errorf("stopped: %+v, want what the batch task holds and no more", r)
	}
	// The task ends before the agent asks again: its share is not free either.
	if got := o.Answer(scene(at, web(1)).Usage, at); len(got) != 0 {
		t.Errorf("stopped: answered %v", got)
	}
	if _, r := estimate(web(3.5), batch(0.5)); r.RevocableTotal != 500 || r.Why != reason.Stopped {
		t.Errorf("stopped, with less slack than is held: %+v", r)
	}
	e.Feedback(estimator.Feedback{})
	if _, r := estimate(web(1)); r.RevocableTotal != 3000 || r.Why != reason.Slack {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestAFixedOfferCanBeStopped(t *testing.T) {
	var total resources.Quantities
	total.Set("cpus", 4000)
	e := &tracked{Estimator: estimator.NewFixed(total)}
	e.Feedback(estimator.Feedback{StopOffer: true})
	s := scene(start, web(1), batch(0.5))
	o := e.Estimate(s)
	if r := o.Resources[0]; r.RevocableTotal != 1000 || r.Offered != 0 || r.Why != reason.Stopped || len(o.Answer(s.Usage, start)) != 0 {
		t.Errorf("stopped: %+v", r)
	}
	e.Feedback(estimator.Feedback{})
	if r := e.Estimate(s).Resources[0]; r.RevocableTotal != 4000 || r.Offered != 3000 || r.Why != reason.Fixed {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestTheHoldOffGrowsWithEachActionAndShrinksInPeace(t *testing.T) {
	cfg := estimator.GovernorConfig{
		Quantum: 100, Step: 100_000,
		HoldOff: 5 * time.Minute, HoldOffMax: time.Hour, HoldOffDecay: time.Hour,
	}
	g, err := estimator.NewGovernor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	at := start
	g.Next(estimator.Round{At: at, Target: 0, RevocableAllocated: 0})
	for i, step := range []struct {
		after, held time.Duration // since the last action; for how long it is held
	}{
		{0, 5 * time.Minute},
		{59 * time.Minute, 10 * time.Minute},
		{30 * time.Minute, 20 * time.Minute},
		{30 * time.Minute, 40 * time.Minute},
		{50 * time.Minute, time.Hour},
		{30 * time.Second, time.Hour},
		{time.Minute, time.Hour},
		{61 * time.Minute, 40 * time.Minute}, // one doubling back
		{3 * time.Hour, 10 * time.Minute},
		{24 * time.Hour, 5 * time.Minute},
		{59 * time.Second, 5 * time.Minute}, // against the same contention
		{59 * time.Second, 5 * time.Minute},
		{time.Minute, 10 * time.Minute},
	} {
		at = at.Add(step.after)
		g.Apply(at, estimator.Feedback{Acted: true})
		if _, why, terms := g.Next(estimator.Round{At: at, Target: 1000, RevocableAllocated: 0}); why != reason.Hold || terms.HoldSeconds != step.held.Seconds() {
			t.Errorf("action %d: %s for %v s, want a hold of %s", i, why, terms.HoldSeconds, step.held)
		}
	}
	if total, _, _ := g.Next(estimator.Round{At: at.Add(10*time.Minute - 1), Target: 1000, RevocableAllocated: 0}); total != 0 {
		t.Errorf("raised before the time: %v", total)
	}
	if total, _, _ := g.Next(estimator.Round{At: at.Add(10 * time.Minute), Target: 1000, RevocableAllocated: 0}); total != 1000 {
		t.Errorf("not raised when the time has come: %v", total)
	}
}

// What is written down of a tick says what was promised and why: nothing that
// the governor knows besides is needed.
func TestATickCanBeRecomputedFromItsTerms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := direct()
		cfg.Resources[0].Predictor = "latest"
		g := brisk()
		g.Hold, g.HoldOff, g.HoldOffMax, g.HoldOffDecay = 30*time.Second, 10*time.Second, time.Minute, time.Minute
		g.StepShare, g.BandFactor, g.BandMost, g.ReserveFactor, g.ReserveMost, g.Seed = 0.3, 5, 0.1, 1, 0.05, 7
		g.DeadBand = resources.Milli(rapid.Int64Range(0, 1000).Draw(t, "band"))
		cfg.Resources[0].Governor = g
		if rapid.Bool().Draw(t, "capped") {
			cfg.Cap.Set("cpus", resources.Milli(rapid.Int64Range(0, 3000).Draw(t, "cap")))
		}
		e := mustUsage(t, cfg)
		at, before := start, resources.Milli(0)
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			at = at.Add(time.Duration(rapid.IntRange(-5, 20).Draw(t, "gap")) * time.Second)
			e.Feedback(estimator.Feedback{
				Acted: rapid.IntRange(0, 9).Draw(t, "acted") == 0, StopOffer: rapid.IntRange(0, 4).Draw(t, "stop") == 0,
			})
			s := scene(at, web(rapid.Float64Range(0, 5).Draw(t, "web")), batch(0.5))
			if rapid.IntRange(0, 9).Draw(t, "blind") == 0 {
				s.TreeWhy = snapshot.Failed
			}
			r := e.Estimate(s).Resources[0]
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var written estimator.ResourceOffer
			if err := json.Unmarshal(b, &written); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(written, r) {
				t.Fatalf("read back %+v, written was %+v: %s", written, r, b)
			}
			if r.Why.IsBlind() {
				if r.RevocableTotal != 0 || r.Estimate != nil || r.Governor != nil {
					t.Fatalf("blind, and not without terms: %s", b)
				}
			} else {
				if r.Governor.Before != before {
					t.Fatalf("the terms begin from %v, promised was %v", r.Governor.Before, before)
				}
				if total, why := recompute(&written); total != r.RevocableTotal || why != r.Why {
					t.Fatalf("recomputed %v for %s, promised was %v for %s: %s", total, why, r.RevocableTotal, r.Why, b)
				}
			}
			before = r.RevocableTotal
		}
	})
}

// noSlack is the greatest of what takes the allocation of regular containers.
func noSlack(e *estimator.Estimate) reason.Code {
	switch need := e.Peak - e.InFull + e.Margin; max(need, e.Unmanaged, e.InFull) {
	case need:
		return reason.NoSlack
	case e.Unmanaged:
		return reason.UsedOutside
	}
	return reason.CountedInFull
}

// recompute finds again, from an offer's terms alone, what was promised and why.
func recompute(r *estimator.ResourceOffer) (resources.Milli, reason.Code) {
	target := max(0, r.RegularAllocated-r.Peak-r.Margin-r.Unmanaged)
	if r.Cap != nil {
		target = min(target, *r.Cap)
	}
	total, why := r.Governor.Decide(target, r.RevocableAllocated)
	switch {
	case why != reason.Slack:
	case target < r.Slack:
		why = reason.Cap
	case total == 0:
		why = noSlack(r.Estimate)
	}
	return total, why
}
