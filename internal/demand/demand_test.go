package demand_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/snapshot"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestOf(t *testing.T) {
	absent := snapshot.Value{Why: snapshot.NoFile}
	for _, tc := range []struct {
		name                string
		pressure, throttled snapshot.Value
		delay               snapshot.Value
		used, limit         float64
		want                float64
		source              demand.Source
		bound               bool
	}{
		{name: "nothing is known of waiting", pressure: absent, throttled: absent, used: 1, limit: 4, want: 1, bound: true},
		{name: "nobody waits", pressure: snapshot.ValueOf(0), throttled: absent, used: 1, limit: 4, want: 1},
		{name: "one thread that waits for three quarters of the time", pressure: snapshot.ValueOf(0.75), throttled: absent, used: 0.25, limit: 4, want: 1, source: demand.FromPressure},
		{name: "four threads at half speed", pressure: snapshot.ValueOf(1 - 1./16), throttled: absent, used: 2, limit: 4, want: 4, source: demand.FromPressure},
		{name: "starved", pressure: snapshot.ValueOf(1), throttled: absent, used: 0.1, limit: 4, want: 4, source: demand.FromPressure},
		{name: "starved of all", pressure: snapshot.ValueOf(1), throttled: absent, limit: 4, want: 1, source: demand.FromPressure},
		{name: "no more than the limit", pressure: snapshot.ValueOf(0.9), throttled: absent, used: 0.9, limit: 1, want: 1, source: demand.FromPressure},
		{name: "never less than the use", pressure: snapshot.ValueOf(0.9), throttled: absent, used: 3, limit: 1, want: 3},
		{name: "its own quota", pressure: snapshot.ValueOf(0.5), throttled: snapshot.ValueOf(0.5), used: 0.5, limit: 2, want: 0.5},
		{name: "its own quota on four processors", pressure: snapshot.ValueOf(0.5), throttled: snapshot.ValueOf(2), used: 0.5, limit: 2, want: 0.5},
		{name: "its quota and others", pressure: snapshot.ValueOf(0.75), throttled: snapshot.ValueOf(0.5), used: 0.5, limit: 2, want: 0.75, source: demand.FromPressure},
		{name: "a throttling rate that is none", pressure: snapshot.ValueOf(0.5), throttled: snapshot.ValueOf(-1), used: 0.25, limit: 2, want: 0.75, source: demand.FromPressure},
		{name: "pressure that is no number", pressure: snapshot.ValueOf(math.NaN()), throttled: absent, used: 1, limit: 2, want: 1, bound: true},
		{name: "eight threads on two cores", pressure: absent, delay: snapshot.ValueOf(6), used: 2, limit: 10, want: 8, source: demand.FromRunDelay, bound: true},
		{name: "up to the limit", pressure: absent, delay: snapshot.ValueOf(6), used: 2, limit: 4, want: 4, source: demand.FromRunDelay, bound: true},
		{name: "its quota is not in the delay", pressure: absent, delay: snapshot.ValueOf(1), throttled: snapshot.ValueOf(1), used: 2, limit: 4, want: 3, source: demand.FromRunDelay, bound: true},
		{name: "a delay that is no number", pressure: absent, delay: snapshot.ValueOf(math.NaN()), used: 2, limit: 4, want: 2, bound: true},
		{name: "pressure before delay", pressure: snapshot.ValueOf(0), delay: snapshot.ValueOf(3), used: 2, limit: 4, want: 2},
		{name: "pressure above one", pressure: snapshot.ValueOf(7), throttled: absent, used: 1, limit: 2, want: 2, source: demand.FromPressure},
	} {
		c := snapshot.Container{CPU: snapshot.CPU{RunDelay: tc.delay}, Pressure: snapshot.Pressure{CPUSome: tc.pressure}}
		d, whole := demand.Of(&c, tc.used, tc.limit, tc.throttled)
		if math.Abs(d.Cores-tc.want) > 1e-9 || d.Source != tc.source || whole == tc.bound || math.Abs(d.Cores-d.Waited-tc.used) > 1e-9 {
			t.Errorf("%s: %+v, whole %v, want %v from %v", tc.name, d, whole, tc.want, tc.source)
		}
	}
}

// tick is a node of four processors with one container on which nothing tells
// waiting from idling.
func tick(tr *demand.Tracker, at time.Duration, busy, used float64) demand.Demand {
	s := &snapshot.Snapshot{
		At:   start.Add(at),
		Host: snapshot.Host{CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(busy)},
	}
	c := &snapshot.Container{Key: snapshot.Key{ID: "web", Inode: 1}, At: s.At}
	tr.Begin(s)
	return tr.Of(c, s.At, used, 3)
}

func TestAFullNodeIsNoIdleOne(t *testing.T) {
	var tr demand.Tracker
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	for _, step := range []struct {
		name     string
		from, to int // seconds, a tick each
		busy     float64
		used     float64
		want     float64
	}{
		{"alone", 0, 3, 2, 2, 2},
		{"the node fills up in the middle of a tick", 4, 4, 3.5, 1.5, 1.5},
		{"it is full: what was wanted before holds", 5, 20, 4, 0.5, 2},
		{"more is more", 21, 21, 4, 2.5, 2.5},
		{"and is kept", 22, 30, 4, 0.5, 2.5},
		{"the first tick with some left may be half of one", 31, 31, 3, 0.7, 2.5},
		{"the second counts", 32, 32, 3, 0.8, 0.8},
		{"and is what holds from then on", 33, 33, 3, 0.6, 0.6},
		{"a full node again", 34, 34 + 600, 4, 0.1, 0.8},
		{"not for ever", 34 + 601, 34 + 602, 4, 0.1, 0.1},
	} {
		for at := step.from; at <= step.to; at++ {
			if d := tick(&tr, second(at), step.busy, step.used); math.Abs(d.Cores-step.want) > 1e-9 {
				t.Fatalf("%s: %+v at %d s, want %v", step.name, d, at, step.want)
			}
		}
	}
}

func TestWhatItsOwnQuotaHeldBackIsNotWanted(t *testing.T) {
	var tr demand.Tracker
	of := func(at time.Duration, throttled snapshot.Count) float64 {
		s := &snapshot.Snapshot{At: start.Add(at), Host: snapshot.Host{CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(1)}}
		c := &snapshot.Container{
			Key: snapshot.Key{ID: "web", Inode: 1}, At: s.At,
			CPU: snapshot.CPU{ThrottledNanos: throttled}, Pressure: snapshot.Pressure{CPUSome: snapshot.ValueOf(0.5)},
		}
		tr.Begin(s)
		return tr.Of(c, s.At, 0.25, 4).Cores
	}
	ns := func(d time.Duration) snapshot.Count { return snapshot.CountOf(uint64(d.Nanoseconds())) }
	for i, step := range []struct {
		at        time.Duration
		throttled snapshot.Count
		want      float64
	}{
		{0, ns(time.Hour), 0.75},                                       // the first sample tells no rate
		{time.Second, ns(time.Hour + 500*time.Millisecond), 0.25},      // all of it
		{3 * time.Second, ns(time.Hour + 1000*time.Millisecond), 0.5},  // half of it, in two seconds
		{4 * time.Second, ns(0), 0.75},                                 // a counter that went back
		{5 * time.Second, snapshot.Count{Why: snapshot.Denied}, 0.75},  // not readable
		{6 * time.Second, ns(time.Hour), 0.75},                         // again a first sample
		{6 * time.Second, ns(time.Hour + time.Second), 0.75},           // no time passed
		{7 * time.Second, ns(time.Hour + 1500*time.Millisecond), 0.25}, // and on
		{8 * time.Second, snapshot.Count{Why: snapshot.NoQuota}, 0.75}, // no quota
	} {
		if got := of(step.at, step.throttled); math.Abs(got-step.want) > 1e-9 {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

// Whatever is read, a demand is a finite number between use and the higher of
// use and limit; and it does not depend on what other containers do.
func TestDemandIsWithinBounds(t *testing.T) {
	value := func(t *rapid.T, name string) snapshot.Value {
		return snapshot.Value{
			V:   rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), -1, 0, 0.3, 0.999, 1, 5, 1e18}).Draw(t, name),
			Why: rapid.SampledFrom([]snapshot.Absence{snapshot.Present, snapshot.NoFile, snapshot.NotRead}).Draw(t, name+"'s absence"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var tr demand.Tracker
		at := start
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			at = at.Add(time.Duration(rapid.IntRange(-2, 400).Draw(t, "gap")) * time.Second)
			s := &snapshot.Snapshot{At: at, Host: snapshot.Host{UsableCPUs: value(t, "size"), BusyCores: value(t, "busy")}}
			tr.Begin(s)
			for id := range rapid.IntRange(0, 3).Draw(t, "containers") {
				used, limit := rapid.Float64Range(0, 8).Draw(t, "used"), rapid.Float64Range(0, 4).Draw(t, "limit")
				c := &snapshot.Container{
					Key: snapshot.Key{ID: string(rune('a' + id))}, At: at,
					CPU:      snapshot.CPU{RunDelay: value(t, "delay"), ThrottledNanos: snapshot.CountOf(rapid.Uint64().Draw(t, "throttled"))},
					Pressure: snapshot.Pressure{CPUSome: value(t, "pressure")},
				}
				d := tr.Of(c, at, used, limit)
				if !(d.Cores >= used && d.Cores <= max(used, limit)) || (d.Waited > 0) != (d.Source != demand.FromUsage) {
					t.Fatalf("%+v with use %v and limit %v", d, used, limit)
				}
			}
		}
	})
}

func BenchmarkOf(b *testing.B) {
	var tr demand.Tracker
	s := &snapshot.Snapshot{At: start, Host: snapshot.Host{CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(4)}}
	cs := make([]snapshot.Container, 100)
	for i := range cs {
		cs[i] = snapshot.Container{Key: snapshot.Key{ID: string(rune('A' + i)), Inode: uint64(i)}, Pressure: snapshot.Pressure{CPUSome: snapshot.ValueOf(0.1)}}
	}
	b.ReportAllocs()
	for b.Loop() {
		tr.Begin(s)
		for i := range cs {
			tr.Of(&cs[i], s.At, 0.5, 1)
		}
	}
}
