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
				if got := r.Next(c, At(tc.at[i]), Limit{}); got != tc.want[i] {
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
			v := r.Next(c, At(at), Limit{})
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

// One core, read once a second: one reading that cannot be true costs that one.
func TestRateRefusesWhatCannotBe(t *testing.T) {
	first := snapshot.Value{Why: snapshot.FirstSample}
	impossible := snapshot.Value{Why: snapshot.Impossible}
	backwards := snapshot.Value{Why: snapshot.Backwards}
	half := snapshot.ValueOf(0.5)
	for _, tc := range []struct {
		name string
		ms   []int // of CPU time
		want []snapshot.Value
	}{
		{"within the tolerance it is passed on as it is", []int{0, 1090, 1590}, []snapshot.Value{first, snapshot.ValueOf(1.09), half}},
		{"a spike", []int{0, 500, 1e9, 1500, 2000}, []snapshot.Value{first, half, impossible, half, half}},
		{"a jump for good", []int{0, 500, 1e9, 1e9 + 500, 1e9 + 1000}, []snapshot.Value{first, half, impossible, half, half}},
		{"a small jump for good", []int{0, 500, 2000, 2000, 2500}, []snapshot.Value{first, half, impossible, impossible, half}},
		{"jumps again and again", []int{0, 5e6, 10e6, 15e6, 15e6 + 500}, []snapshot.Value{first, impossible, impossible, impossible, half}},
		{"a dip", []int{5000, 5500, 100, 6500, 7000}, []snapshot.Value{first, half, backwards, half, half}},
		{"a fall for good", []int{5000, 5500, 100, 600, 1100}, []snapshot.Value{first, half, backwards, half, half}},
		{"charged late, then as much as that explains", []int{0, 500, 1700, 2500, 3000}, []snapshot.Value{first, half, impossible, impossible, half}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r Rate
			for i, ms := range tc.ms {
				got := r.Next(snapshot.CountOf(uint64(ms)*1e6), At(time.Duration(i)*time.Second), CPULimit(1))
				if got != tc.want[i] {
					t.Errorf("reading %d: %+v, want %+v", i, got, tc.want[i])
				}
			}
		})
	}
}

// A reader that is stopped between a file and the clock proves nothing.
func TestRateAllowsForAnInterruptedRead(t *testing.T) {
	var r Rate
	s := time.Second
	r.Next(snapshot.CountOf(0), Span{0, 800 * time.Millisecond}, CPULimit(1)) // was read at once
	if got := r.Next(snapshot.CountOf(1e9), At(s), CPULimit(1)); !got.OK() {
		t.Errorf("a busy core over a second: %+v", got)
	}
}

// Whatever is read, a present rate is one that is possible.
func TestRateIsPossible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Rate
		var at time.Duration
		for range rapid.IntRange(1, 50).Draw(t, "samples") {
			at += time.Duration(rapid.Int64Range(0, 3e9).Draw(t, "step"))
			v, d := r.Over(snapshot.CountOf(rapid.Uint64Range(0, 20e9).Draw(t, "n")), At(at), CPULimit(2), MinInterval)
			if v.OK() && v.V*float64(d) > 2*(float64(d)*(1+Tolerance)+60e6)+1 {
				t.Fatalf("%v cores over %v", v.V, d)
			}
		}
	})
}

func TestPressureRateIsAShare(t *testing.T) {
	var r PressureRate
	psi := func(some, full uint64) PSI {
		return PSI{SomeMicros: snapshot.CountOf(some), FullMicros: snapshot.CountOf(full)}
	}
	r.Next(psi(0, 0), At(0))
	if some, full := r.Next(psi(250_000, 100_000), At(time.Second)); some != snapshot.ValueOf(0.25) || full != snapshot.ValueOf(0.1) {
		t.Errorf("quarter and tenth of a second: %+v %+v", some, full)
	}
	some, full := r.Next(psi(250_000+1_000_500, 100_000+4_294_967), At(2*time.Second))
	if !some.OK() || math.Abs(some.V-1.0005) > 1e-9 {
		t.Errorf("a little more than all the time: %+v, want it as it is", some)
	}
	if full != (snapshot.Value{Why: snapshot.Impossible}) {
		t.Errorf("2³² ns within a second: %+v", full)
	}
	if _, full := r.Next(psi(1_250_500, 100_000+4_294_967), At(3*time.Second)); full != snapshot.ValueOf(0) {
		t.Errorf("and then nothing: %+v", full)
	}
}
