package estimator_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// What a tick reads that comes some hundredths of a second after another is a
// burst. It is nothing to the peak, neither at the tick that was woken nor at
// the one in its turn right after; what is held and what was ordered is heard.
func TestEarlyTicksAreNoSamples(t *testing.T) {
	cfg := direct()
	cfg.Resources[0].Predictor = "container-max"
	cfg.Resources[0].Peak.Window = time.Minute
	e := mustUsage(t, cfg)
	start := time.Unix(1_000_000, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	one := func(o estimator.Offer) estimator.ResourceOffer { return o.Resources[0] }

	for i := range 3 {
		e.Estimate(scene(at(float64(i)), web(0.3)))
	}
	before := one(e.Estimate(scene(at(3), web(0.3))))
	if before.Peak != 300 || before.Offered != 3700 {
		t.Fatalf("before: %+v", before)
	}
	woken := one(e.Estimate(scene(at(3.03), web(2), batch(0.5))))
	if woken.Peak != 300 || woken.Usage != 300 || woken.RevocableAllocated != 1000 || woken.Offered != before.RevocableTotal-1000 {
		t.Errorf("30 ms later: %+v, want the terms of before with 1 cpu held", woken)
	}
	if next := one(e.Estimate(scene(at(4), web(0.4)))); next.Peak != 400 {
		t.Errorf("the next in its turn: %+v", next)
	}
	// Woken late in the interval, that one is the sample, and the next is not.
	if late := one(e.Estimate(scene(at(4.98), web(0.5)))); late.Peak != 500 {
		t.Errorf("at 0.98 s: %+v", late)
	}
	if turn := one(e.Estimate(scene(at(5), web(3)))); turn.Peak != 500 {
		t.Errorf("20 ms after it: %+v", turn)
	}

	e.Feedback(estimator.Feedback{StopOffer: true})
	if stopped := one(e.Estimate(scene(at(5.03), web(3)))); stopped.Offered != 0 || stopped.Why != reason.Stopped {
		t.Errorf("stopped at an early tick: %+v", stopped)
	}
	e.Feedback(estimator.Feedback{})
	blind := scene(at(5.06), web(3))
	blind.Host.BusyCores.Why = snapshot.Failed
	if cut := one(e.Estimate(blind)); cut.RevocableTotal != 0 || cut.Why != reason.NoHost {
		t.Errorf("blind at an early tick: %+v", cut)
	}
	if sees := one(e.Estimate(scene(at(5.09), web(1)))); sees.Why.IsBlind() || sees.Peak != 1000 {
		t.Errorf("the first that sees again: %+v", sees)
	}
	setBack := scene(at(4), web(1.2))
	setBack.Uptime = time.Second // passed since then all the same
	if back := one(e.Estimate(setBack)); back.Peak < 1200 {
		t.Errorf("after a clock that was set back: %+v", back)
	}
}
