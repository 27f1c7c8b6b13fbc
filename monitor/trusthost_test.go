package monitor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// The host's rates, and the waiting of threads, are taken over the time in which
// the counters ran, as those of containers are.
func TestTimeBetweenTicksOfTheHost(t *testing.T) {
	for _, tc := range []struct {
		name string
		// mono is how far the monotonic clock went between two ticks, wall the
		// other one; busy, waited and delayed what the counters did: of one
		// processor, of pressure, of one thread.
		mono, wall            time.Duration
		busy, waited, delayed time.Duration
		cores, some, delay    snapshot.Value
	}{
		{
			"on time", time.Second, time.Second, 500 * time.Millisecond, 250 * time.Millisecond, 125 * time.Millisecond,
			value(0.5), value(0.25), value(0.125),
		},
		{
			"an hour late", time.Hour, time.Hour, 30 * time.Minute, 15 * time.Minute, 6 * time.Minute,
			value(0.5), value(0.25), value(0.1),
		},
		{
			"suspended for a night", time.Second, 8 * time.Hour, 500 * time.Millisecond, 250 * time.Millisecond, 125 * time.Millisecond,
			value(0.5), value(0.25), value(0.125),
		},
		{
			"suspended between two instructions", 0, 8 * time.Hour, 0, 0, 0,
			noValue(snapshot.NoTime), noValue(snapshot.NoTime), noValue(snapshot.NoTime),
		},
		{
			"the wall clock set back", time.Second, -24 * time.Hour, 500 * time.Millisecond, 250 * time.Millisecond, 125 * time.Millisecond,
			value(0.5), value(0.25), value(0.125),
		},
		{
			"a monotonic clock that goes back", -time.Second, time.Second, time.Second, time.Second, time.Second,
			noValue(snapshot.NoTime), noValue(snapshot.NoTime), noValue(snapshot.NoTime),
		},
		{
			"counters that are reset", time.Second, time.Second, -3 * time.Second, -3 * time.Second, -3 * time.Second,
			noValue(snapshot.Backwards), noValue(snapshot.Backwards), noValue(snapshot.FirstSample),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWaiters(t, cgrouptest.Split)
			w.container("web", snapshot.ClassRegular, 1)
			busy, waited, delayed := 10*time.Second, 10*time.Second, 10*time.Second
			set := func() {
				line := fmt.Sprintf(" %d 0 0 7 0 0 0 0 0 0\n", busy/(10*time.Millisecond))
				w.file("stat", "cpu "+line+"cpu0"+line+"intr 1\n")
				w.file("pressure/cpu", pressureText(waited))
				w.waited(1, delayed)
			}
			for range 3 {
				busy, waited = busy+time.Second, waited+time.Second
				set()
				w.n.tick(time.Second, w.usage)
			}
			busy, waited, delayed = busy+tc.busy, waited+tc.waited, delayed+tc.delayed
			set()
			w.n.clock.mono += tc.mono
			s := w.n.Sample(epoch.Add(time.Minute+tc.wall), w.usage)
			if got := s.Host.BusyCores; got != tc.cores {
				t.Errorf("busy: %+v, want %+v", got, tc.cores)
			}
			if got := s.Host.Pressure.CPUSome; got != tc.some {
				t.Errorf("pressure: %+v, want %+v", got, tc.some)
			}
			if got := only(t, s).CPU.RunDelay; got != tc.delay {
				t.Errorf("waiting: %+v, want %+v", got, tc.delay)
			}
			// And a second later all is as it was, whatever came before.
			busy, waited, delayed = busy+500*time.Millisecond, waited+250*time.Millisecond, delayed+125*time.Millisecond
			set()
			w.n.clock.mono += time.Second
			s = w.n.Sample(epoch.Add(time.Hour), w.usage)
			if s.Host.BusyCores != value(0.5) || s.Host.Pressure.CPUSome != value(0.25) || only(t, s).CPU.RunDelay != value(0.125) {
				t.Errorf("a second later: %+v %+v %+v", s.Host.BusyCores, s.Host.Pressure.CPUSome, only(t, s).CPU.RunDelay)
			}
		})
	}
}
