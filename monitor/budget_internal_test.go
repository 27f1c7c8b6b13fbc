package monitor

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever the files cost, the cadence comes to rest: within the budget if that
// can be, and not slower than it has to be.
func TestBudgetComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fixed := rapid.Float64Range(0, 20).Draw(t, "fixed ms")
		stat := rapid.Float64Range(0, 200).Draw(t, "memory.stat ms")
		pressure := rapid.Float64Range(0, 50).Draw(t, "pressure ms")
		cost := func(stretch int) time.Duration {
			return time.Duration(1e6 * (fixed + stat/float64(stretch) + pressure/float64(min(stretch, 8))))
		}
		b := newBudget(0.015)
		var at time.Duration
		run := func(ticks int) (stretches map[int]bool) {
			stretches = make(map[int]bool)
			for range ticks {
				at += time.Second
				b.spend(at, cost(b.stretch))
				stretches[b.stretch] = true
			}
			return stretches
		}
		run(100)
		if seen := run(100); len(seen) != 1 {
			t.Fatalf("goes to and fro: %v", seen)
		}
		const tick = float64(time.Second)
		if share := float64(cost(b.stretch)) / tick; share > 0.015 && b.stretch < maxStretch {
			t.Fatalf("share %v with a stretch of %d", share, b.stretch)
		}
		if b.exceeded() != (float64(cost(maxStretch))/tick > 0.015) {
			t.Fatalf("exceeded: %v", b.exceeded())
		}
		if b.stretch > 1 && float64(cost(b.stretch/2))/tick < 0.015/2 {
			t.Fatalf("a stretch of %d, though half of that would cost little", b.stretch)
		}
	})
}

// A tick that is late, or a clock that makes no sense, is no reason to stretch.
func TestBudgetClocks(t *testing.T) {
	b := newBudget(0.015)
	b.spend(0, time.Hour) // the first opens every file
	for i := range 9 {
		b.spend(time.Duration(i+1)*2*time.Second, 100*time.Millisecond)
	}
	if b.share.OK() || b.stretch != 1 {
		t.Errorf("after 9 ticks: %+v", b)
	}
	b.spend(time.Hour, 100*time.Millisecond) // late: a second of CPU in an hour
	if !b.share.OK() || b.share.V > 0.001 || b.stretch != 1 {
		t.Errorf("after a late tick: %+v", b)
	}
	for range 20 {
		b.spend(time.Minute, time.Second) // a clock set back
	}
	for i := range 20 {
		b.spend(time.Minute+time.Duration(i)*time.Second, -time.Second) // one that runs backwards
	}
	if b.stretch != 1 {
		t.Errorf("after clocks that make no sense: %+v", b)
	}
}
