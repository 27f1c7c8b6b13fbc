package kernel

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// MinInterval is the shortest time over which a rate is taken. The kernel
// charges running tasks at its timer tick, 1 to 10 ms apart, so that a rate
// over less means nothing.
const MinInterval = time.Millisecond

// Rate turns a counter into its growth per nanosecond of monotonic time. Wall
// clock steps do not touch it, and time spent suspended does not count: neither
// the clock nor the counters run then.
type Rate struct {
	n    uint64
	at   time.Duration
	seen bool
}

// Next is the growth since the sample before, with at the monotonic time of
// this one. After a sample that is absent the next present one covers the whole
// time since the last present one.
func (r *Rate) Next(c snapshot.Count, at time.Duration) snapshot.Value {
	if !c.OK() {
		return snapshot.Value{Why: c.Why}
	}
	before := *r
	switch {
	case !before.seen:
		*r = Rate{n: c.N, at: at, seen: true}
		return snapshot.Value{Why: snapshot.FirstSample}
	case c.N < before.n:
		// Reset or overwritten: nothing is known of the time between, so
		// count from here.
		*r = Rate{n: c.N, at: at, seen: true}
		return snapshot.Value{Why: snapshot.Backwards}
	case at < before.at:
		*r = Rate{n: c.N, at: at, seen: true}
		return snapshot.Value{Why: snapshot.NoTime}
	case at-before.at < MinInterval:
		return snapshot.Value{Why: snapshot.NoTime}
	}
	*r = Rate{n: c.N, at: at, seen: true}
	return snapshot.ValueOf(float64(c.N-before.n) / float64(at-before.at))
}

// PressureRate turns the totals of a pressure file into shares of time.
type PressureRate struct{ some, full Rate }

// Next is the share of the time since the sample before, 0 to 1. The kernel's
// total and our clock are not read at the same instant, so that a resource
// that stalls all the time can come out a little above 1, which is cut.
func (r *PressureRate) Next(p PSI, at time.Duration) (some, full snapshot.Value) {
	return share(r.some.Next(p.SomeMicros, at)), share(r.full.Next(p.FullMicros, at))
}

// share turns µs per ns into a share of time.
func share(v snapshot.Value) snapshot.Value {
	if v.OK() {
		v.V = min(v.V*1e3, 1)
	}
	return v
}
