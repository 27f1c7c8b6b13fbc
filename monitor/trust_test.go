package monitor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// What rates are taken over is the time in which the counters ran, whatever
// the tick or the machine did meanwhile.
func TestTimeBetweenTicks(t *testing.T) {
	for _, tc := range []struct {
		name string
		// mono is how far the monotonic clock went between two ticks, wall the
		// other one, used what the container used.
		mono, wall, used time.Duration
		want             snapshot.Value
	}{
		{"on time", time.Second, time.Second, 500 * time.Millisecond, value(0.5)},
		{"an hour late", time.Hour, time.Hour, 30 * time.Minute, value(0.5)},
		// CLOCK_MONOTONIC stands still while the machine is suspended, and so do
		// the counters.
		{"suspended for a night", time.Second, 8 * time.Hour, 500 * time.Millisecond, value(0.5)},
		{"suspended between two instructions", 0, 8 * time.Hour, 0, noValue(snapshot.NoTime)},
		{"the wall clock set back", time.Second, -24 * time.Hour, 500 * time.Millisecond, value(0.5)},
		{"a monotonic clock that jumps ahead", 10 * time.Hour, time.Second, time.Second, value(1.0 / 36000)},
		{"a monotonic clock that goes back", -time.Second, time.Second, time.Second, noValue(snapshot.NoTime)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, n := copied(t, cgrouptest.Split)
			c.Make("c1")
			n.tick(time.Minute, nil)
			total := 2*time.Second + tc.used
			c.Write("cpuacct", "c1", "cpuacct.usage", fmt.Sprintln(total.Nanoseconds()))
			n.clock.mono += tc.mono
			wall := epoch.Add(time.Minute + tc.wall)
			got := only(t, n.Sample(wall, nil))
			if got.CPU.Cores != tc.want || !got.At.Equal(wall) {
				t.Errorf("%+v at %v, want %+v at %v", got.CPU.Cores, got.At, tc.want, wall)
			}
			// The next one is right in any case: half a core for a second,
			// which is counted from the last sample that was taken.
			if tc.want.Why == snapshot.NoTime && tc.mono == 0 {
				total -= tc.used
			}
			total += 500 * time.Millisecond
			c.Write("cpuacct", "c1", "cpuacct.usage", fmt.Sprintln(total.Nanoseconds()))
			n.clock.mono += time.Second
			if got := only(t, n.Sample(wall.Add(time.Second), nil)); got.CPU.Cores != value(0.5) {
				t.Errorf("a second later: %+v", got.CPU.Cores)
			}
		})
	}
}

// A counter that wraps, or is reset, gives no rate once, and right ones from
// there; what is only read out is as it stands.
func TestWrappedCounters(t *testing.T) {
	c, n := copied(t, cgrouptest.UnifiedV2)
	c.Make("c1")
	set := func(cpu, waited uint64) snapshot.Container {
		c.Write("cpu", "c1", "cpu.stat", fmt.Sprintf("usage_usec %d\nnr_periods %d\nnr_throttled 1\nthrottled_usec 2\n", cpu, cpu))
		text := fmt.Sprintf("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n", waited, waited)
		for _, what := range []string{"cpu", "memory", "io"} {
			c.Write("cpu", "c1", what+".pressure", text)
		}
		return *only(t, n.tick(time.Second, nil))
	}
	all := func(c snapshot.Container) []snapshot.Value {
		p := c.Pressure
		return []snapshot.Value{c.CPU.Cores, p.CPUSome, p.MemorySome, p.MemoryFull, p.IOSome, p.IOFull}
	}
	const top, most = 1<<64 - 1, (1<<64 - 1) / 1000
	set(most-250_000, top-250_000)
	for i, v := range all(set(most, top)) {
		if v != value(0.25) {
			t.Errorf("before, reading %d: %+v", i, v)
		}
	}
	wrapped := set(3, 3)
	for i, v := range all(wrapped) {
		if v != noValue(snapshot.Backwards) {
			t.Errorf("wrapped, reading %d: %+v", i, v)
		}
	}
	if wrapped.CPU.UsageNanos != count(3000) || wrapped.CPU.ThrottledNanos != count(2000) || wrapped.Pressure.CPUSomeMicros != count(3) {
		t.Errorf("wrapped: %+v", wrapped)
	}
	for i, v := range all(set(500_003, 500_003)) {
		if v != value(0.5) {
			t.Errorf("after, reading %d: %+v", i, v)
		}
	}
	// One that would not fit is not cut to fit.
	if got := set(most+1, 500_003); got.CPU.UsageNanos != noCount(snapshot.Malformed) || got.CPU.Cores != noValue(snapshot.Malformed) {
		t.Errorf("too large: %+v", got.CPU)
	}
}
