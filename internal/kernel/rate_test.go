package kernel

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestRateStory(t *testing.T) {
	n := snapshot.CountOf
	absent := snapshot.Count{Why: snapshot.Vanished}
	for _, tc := range []struct {
		name    string
		samples []snapshot.Count
		at      []time.Duration
		want    []snapshot.Value
	}{
		{
			"one core for a second",
			[]snapshot.Count{n(5e9), n(6e9)},
			[]time.Duration{time.Second, 2 * time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, snapshot.ValueOf(1)},
		},
		{
			"idle is a zero that is known",
			[]snapshot.Count{n(7), n(7)},
			[]time.Duration{0, time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, snapshot.ValueOf(0)},
		},
		{
			"a late tick is divided by the time it took",
			[]snapshot.Count{n(0), n(3e9)},
			[]time.Duration{0, 6 * time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, snapshot.ValueOf(0.5)},
		},
		{
			"an absent sample stretches the next interval",
			[]snapshot.Count{n(0), absent, n(4e9)},
			[]time.Duration{0, time.Second, 2 * time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, {Why: snapshot.Vanished}, snapshot.ValueOf(2)},
		},
		{
			"a counter that goes backwards starts again",
			[]snapshot.Count{n(9e9), n(1e9), n(2e9)},
			[]time.Duration{0, time.Second, 2 * time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, {Why: snapshot.Backwards}, snapshot.ValueOf(1)},
		},
		{
			"a counter that wraps goes backwards",
			[]snapshot.Count{n(math.MaxUint64), n(3), n(3 + 1e9)},
			[]time.Duration{0, time.Second, 2 * time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, {Why: snapshot.Backwards}, snapshot.ValueOf(1)},
		},
		{
			"no time passed: the interval stays open",
			[]snapshot.Count{n(0), n(5), n(1e9)},
			[]time.Duration{0, 0, time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, {Why: snapshot.NoTime}, snapshot.ValueOf(1)},
		},
		{
			"a clock that goes backwards starts again",
			[]snapshot.Count{n(0), n(1e9), n(2e9)},
			[]time.Duration{time.Minute, time.Second, 2 * time.Second},
			[]snapshot.Value{{Why: snapshot.FirstSample}, {Why: snapshot.NoTime}, snapshot.ValueOf(1)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r Rate
			for i, c := range tc.samples {
				if got := r.Next(c, tc.at[i]); got != tc.want[i] {
					t.Errorf("sample %d: %+v, want %+v", i, got, tc.want[i])
				}
			}
		})
	}
}

// Whatever is sampled, the growth that rates account for never exceeds what the
// counter really grew by between its drops.
func TestRateNeverInvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Rate
		var at time.Duration
		var accounted, grown float64
		var last uint64
		var open time.Duration // since when no rate was made
		seen := false
		for range rapid.IntRange(1, 50).Draw(t, "samples") {
			at += time.Duration(rapid.Int64Range(0, 5e9).Draw(t, "step"))
			c := snapshot.CountOf(rapid.Uint64Range(0, 1e12).Draw(t, "n"))
			if seen && c.N > last {
				grown += float64(c.N - last)
			}
			v := r.Next(c, at)
			if v.OK() {
				if math.IsNaN(v.V) || math.IsInf(v.V, 0) || v.V < 0 {
					t.Fatalf("rate %v", v.V)
				}
				accounted += v.V * float64(at-open)
			}
			if v.Why != snapshot.NoTime {
				open, last, seen = at, c.N, true
			}
		}
		if accounted > grown*(1+1e-9)+1 {
			t.Fatalf("accounted for %v of %v", accounted, grown)
		}
	})
}

func TestPressureRateIsAShare(t *testing.T) {
	var r PressureRate
	psi := func(some, full uint64) PSI {
		return PSI{SomeMicros: snapshot.CountOf(some), FullMicros: snapshot.CountOf(full)}
	}
	r.Next(psi(0, 0), 0)
	if some, full := r.Next(psi(250_000, 100_000), time.Second); some != snapshot.ValueOf(0.25) || full != snapshot.ValueOf(0.1) {
		t.Errorf("quarter and tenth of a second: %+v %+v", some, full)
	}
	if some, _ := r.Next(psi(250_000+1_000_500, 100_000), 2*time.Second); some != snapshot.ValueOf(1) {
		t.Errorf("a little more than all the time: %+v, want 1", some)
	}
}
