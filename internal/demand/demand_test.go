package demand

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/resources"
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
		source              Source
	}{
		{name: "nothing is known of waiting", pressure: absent, throttled: absent, used: 1, limit: 4, want: 1},
		{name: "nobody waits", pressure: snapshot.ValueOf(0), throttled: absent, used: 1, limit: 4, want: 1},
		{name: "one thread that waits for three quarters of the time", pressure: snapshot.ValueOf(0.75), throttled: absent, used: 0.25, limit: 4, want: 1, source: FromPressure},
		{name: "four threads at half speed", pressure: snapshot.ValueOf(1 - 1./16), throttled: absent, used: 2, limit: 4, want: 4, source: FromPressure},
		{name: "starved", pressure: snapshot.ValueOf(1), throttled: absent, used: 0.1, limit: 4, want: 4, source: FromPressure},
		{name: "starved of all", pressure: snapshot.ValueOf(1), throttled: absent, limit: 4, want: 1, source: FromPressure},
		{name: "no more than the limit", pressure: snapshot.ValueOf(0.9), throttled: absent, used: 0.9, limit: 1, want: 1, source: FromPressure},
		{name: "never less than the use", pressure: snapshot.ValueOf(0.9), throttled: absent, used: 3, limit: 1, want: 3},
		{name: "its own quota", pressure: snapshot.ValueOf(0.5), throttled: snapshot.ValueOf(0.5), used: 0.5, limit: 2, want: 0.5},
		{name: "its own quota on four processors", pressure: snapshot.ValueOf(0.5), throttled: snapshot.ValueOf(2), used: 0.5, limit: 2, want: 0.5},
		{name: "its quota and others", pressure: snapshot.ValueOf(0.75), throttled: snapshot.ValueOf(0.5), used: 0.5, limit: 2, want: 0.75, source: FromPressure},
		{name: "a throttling rate that is none", pressure: snapshot.ValueOf(0.5), throttled: snapshot.ValueOf(-1), used: 0.25, limit: 2, want: 0.75, source: FromPressure},
		{name: "pressure that is no number", pressure: snapshot.ValueOf(math.NaN()), throttled: absent, used: 1, limit: 2, want: 1},
		{name: "eight threads on two cores", pressure: absent, delay: snapshot.ValueOf(6), used: 2, limit: 10, want: 8, source: FromRunDelay},
		{name: "up to the limit", pressure: absent, delay: snapshot.ValueOf(6), used: 2, limit: 4, want: 4, source: FromRunDelay},
		{name: "its quota is not in the delay", pressure: absent, delay: snapshot.ValueOf(1), throttled: snapshot.ValueOf(1), used: 2, limit: 4, want: 3, source: FromRunDelay},
		{name: "a delay that is no number", pressure: absent, delay: snapshot.ValueOf(math.NaN()), used: 2, limit: 4, want: 2},
		{name: "pressure before delay", pressure: snapshot.ValueOf(0), delay: snapshot.ValueOf(3), used: 2, limit: 4, want: 2},
		{name: "pressure above one", pressure: snapshot.ValueOf(7), throttled: absent, used: 1, limit: 2, want: 2, source: FromPressure},
	} {
		c := snapshot.Container{CPU: snapshot.CPU{RunDelay: tc.delay}, Pressure: snapshot.Pressure{CPUSome: tc.pressure}}
		d := of(&c, tc.used, tc.limit, tc.throttled)
		if math.Abs(d.Cores-tc.want) > 1e-9 || d.Source != tc.source || d.Waited.OK() && math.Abs(d.Cores-d.Waited.V-tc.used) > 1e-9 {
			t.Errorf("%s: %+v, want %v from %v", tc.name, d, tc.want, tc.source)
		}
		byPressure := !math.IsNaN(tc.pressure.V) && tc.pressure.OK()
		if want := byPressure && tc.throttled.OK() || !byPressure && tc.delay.OK() && !math.IsNaN(tc.delay.V); d.Waited.OK() != want {
			t.Errorf("%s: waited %+v, want it present: %v", tc.name, d.Waited, want)
		}
	}
}

// tick is a node of four processors with one container on which nothing tells
// waiting from idling.
func tick(tr *Tracker, at time.Duration, busy, used float64) Demand {
	s := &snapshot.Snapshot{
		At:   start.Add(at),
		Host: snapshot.Host{CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(busy)},
	}
	s.Containers = []snapshot.Container{regular(s, "web", used, 3)}
	return tr.Next(s)[0]
}

// regular is a container that uses used cores and is allocated limit.
func regular(s *snapshot.Snapshot, id string, used, limit float64) snapshot.Container {
	return snapshot.Container{
		Key: snapshot.Key{ID: id, Inode: 1}, At: s.At, OnDisk: true, CPU: snapshot.CPU{Cores: snapshot.ValueOf(used)},
		Executor: &snapshot.Executor{Class: snapshot.ClassRegular, Regular: resources.Quantities{{Name: resources.CPUs, Amount: resources.FloorMilli(limit)}}},
	}
}

func TestAFullNodeIsNoIdleOne(t *testing.T) {
	var tr Tracker
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
	var tr Tracker
	of := func(stalled, throttled snapshot.Count) Demand {
		s := &snapshot.Snapshot{At: start, Host: snapshot.Host{CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(1)}}
		c := regular(s, "web", 0.25, 4)
		c.CPU.ThrottledNanos, c.Pressure.CPUSome, c.Pressure.CPUSomeMicros = throttled, snapshot.ValueOf(0.5), stalled
		s.Containers = []snapshot.Container{c}
		return tr.Next(s)[0]
	}
	ns := func(d time.Duration) snapshot.Count { return snapshot.CountOf(uint64(d.Nanoseconds())) }
	us := func(d time.Duration) snapshot.Count { return snapshot.CountOf(uint64(d.Microseconds())) }
	for i, step := range []struct {
		stalled, throttled snapshot.Count // half of the time: pressure is 0.5
		want               float64
		why                snapshot.Absence // of Waited
	}{
		{us(time.Minute), ns(time.Hour), 0.75, snapshot.FirstSample},                                             // the first sample tells no rate
		{us(time.Minute + 500*time.Millisecond), ns(time.Hour + 500*time.Millisecond), 0.25, snapshot.Present},   // all of it
		{us(time.Minute + 1500*time.Millisecond), ns(time.Hour + 1000*time.Millisecond), 0.5, snapshot.Present},  // half of it, in two seconds
		{us(time.Minute + 2*time.Second), ns(time.Minute), 0.75, snapshot.Backwards},                             // a counter that went back
		{us(time.Minute + 2500*time.Millisecond), snapshot.Count{Why: snapshot.Denied}, 0.75, snapshot.Denied},   // not readable
		{us(time.Minute + 3*time.Second), ns(time.Hour), 0.75, snapshot.FirstSample},                             // again a first sample
		{us(time.Minute + 3*time.Second), ns(time.Hour + time.Second), 0.75, snapshot.Backwards},                 // no time passed
		{us(time.Minute + 3500*time.Millisecond), ns(time.Hour + 1500*time.Millisecond), 0.25, snapshot.Present}, // and on
		{snapshot.Count{Why: snapshot.NoKey}, ns(time.Hour + 2*time.Second), 0.75, snapshot.NoKey},               // for how long is not known
		{us(time.Minute), snapshot.Count{Why: snapshot.NoQuota}, 0.75, snapshot.Present},                         // no quota
		{us(time.Minute), ns(0), 0.75, snapshot.Present},                                                         // one that never held it back
	} {
		if got := of(step.stalled, step.throttled); math.Abs(got.Cores-step.want) > 1e-9 || got.Waited.Why != step.why {
			t.Errorf("step %d: %+v, want %v, waited %s", i, got, step.want, step.why)
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
		var tr Tracker
		at := start
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			at = at.Add(time.Duration(rapid.IntRange(-2, 400).Draw(t, "gap")) * time.Second)
			s := &snapshot.Snapshot{At: at, Host: snapshot.Host{UsableCPUs: value(t, "size"), BusyCores: value(t, "busy")}}
			for id := range rapid.IntRange(0, 3).Draw(t, "containers") {
				c := regular(s, string(rune('a'+id)), rapid.Float64Range(0, 8).Draw(t, "used"), rapid.Float64Range(0, 4).Draw(t, "limit"))
				c.CPU.RunDelay, c.CPU.ThrottledNanos = value(t, "delay"), snapshot.CountOf(rapid.Uint64().Draw(t, "throttled"))
				c.Pressure.CPUSome = value(t, "pressure")
				s.Containers = append(s.Containers, c)
			}
			for i, d := range tr.Next(s) {
				c := &s.Containers[i]
				used, limit := c.CPU.Cores.V, c.Executor.Regular.Get(resources.CPUs).Float()
				if !(d.Cores >= used && d.Cores <= max(used, limit)) || (d.Cores > used) != (d.Source != FromUsage) ||
					d.Waited.OK() && !(d.Waited.V >= 0 && used+d.Waited.V <= d.Cores+1e-9) {
					t.Fatalf("%+v with use %v and limit %v", d, used, limit)
				}
			}
		}
	})
}

// What the quota of a nested container held back is in the pressure of the one
// that it is nested in, and not in its throttled time.
func TestTheQuotaOfANestedContainerIsItsOwn(t *testing.T) {
	var tr Tracker
	for sec := range 4 {
		s := &snapshot.Snapshot{At: start.Add(time.Duration(sec) * time.Second), Host: snapshot.Host{CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(1)}}
		top, deep := regular(s, "web", 0.25, 4), regular(s, "web.a", 0.25, 4)
		middle, other := deep, regular(s, "zoo", 0.25, 4)
		top.Pressure.CPUSome, other.Pressure.CPUSome = snapshot.ValueOf(0.5), snapshot.ValueOf(0.5)
		top.CPU.ThrottledNanos, other.CPU.ThrottledNanos = snapshot.CountOf(0), snapshot.CountOf(0)
		deep.Pressure.CPUSome, deep.Pressure.CPUSomeMicros = snapshot.ValueOf(0.5), snapshot.CountOf(uint64(1+500_000*sec))
		deep.Key, deep.Parent, deep.Executor = snapshot.Key{ID: "web.a.b"}, "web.a", nil
		middle.Parent, middle.Executor = "web", nil
		deep.CPU.ThrottledNanos = snapshot.CountOf(uint64(1e9 + 500_000_000*sec))
		s.Containers = []snapshot.Container{top, middle, deep, other}
		d := tr.Next(s)
		switch {
		case sec == 0 && (d[0].Cores != 0.75 || d[0].Waited.OK()):
			t.Errorf("at the first sample: %+v, want all of the pressure for the offer, and nothing for the rules", d[0])
		case sec > 0 && (d[0].Cores != 0.25 || d[0].Waited != snapshot.ValueOf(0) || d[0].Throttled != snapshot.ValueOf(0.5)):
			t.Errorf("tick %d: %+v, want what it uses", sec, d[0])
		case d[3].Cores != 0.75:
			t.Errorf("tick %d: %+v of another container, want 0.75", sec, d[3])
		}
	}
}

// A tick that something has woken says little of what a container uses.
func TestAShortTickIsNotRemembered(t *testing.T) {
	var tr Tracker
	for at := range 5 {
		tick(&tr, time.Duration(at)*time.Second, 2, 1)
	}
	tick(&tr, 4*time.Second+30*time.Millisecond, 2, 2.9)
	if d := tick(&tr, 5*time.Second, 4, 0.2); math.Abs(d.Cores-1) > 1e-9 {
		t.Errorf("%+v, want 1 as before", d)
	}
}

func BenchmarkNext(b *testing.B) {
	var tr Tracker
	s := &snapshot.Snapshot{At: start, Host: snapshot.Host{CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(4)}}
	for i := range 100 {
		c := regular(s, string(rune('A'+i)), 0.5, 1)
		c.Pressure.CPUSome = snapshot.ValueOf(0.1)
		s.Containers = append(s.Containers, c)
	}
	b.ReportAllocs()
	for b.Loop() {
		tr.Next(s)
	}
}
