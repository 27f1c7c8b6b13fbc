package kernel

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// MinInterval is the shortest time over which a rate is taken. The kernel
// charges running tasks at its timer tick, 1 to 10 ms apart, so that a rate
// over less means nothing.
const MinInterval = time.Millisecond

// Tolerance is how far above what is possible a reading may be: clocks and
// counters are not read at the same instant, and the kernel's are not exact.
const Tolerance = 0.1

// Limit is the fastest that a counter can grow. The zero value refuses nothing.
type Limit struct {
	// PerNano is in units of the counter per ns.
	PerNano float64
	// Late is by how much the kernel may be late in adding to the counter.
	Late time.Duration
}

// CPULimit is that of CPU time in ns on so many processors. Running tasks are
// charged at the timer tick, and /proc/stat counts in steps of 10 ms for each of
// six columns.
func CPULimit(processors float64) Limit {
	return Limit{PerNano: processors, Late: 60 * time.Millisecond}
}

// QuotaLimit is that of CPU time in ns below a quota in cores, if there is one. A
// cgroup may save up as much as its quota and use it on top (cpu.max.burst), and
// each processor may run it for a timer tick too long.
func QuotaLimit(quota snapshot.Value, processors float64) Limit {
	l := CPULimit(processors)
	if most := 2 * max(quota.V, leastQuota); quota.OK() && (processors == 0 || most < processors) {
		l.PerNano = most
		l.Late += time.Duration(float64(10*time.Millisecond) * processors / most)
	}
	return l
}

// leastQuota is the kernel's least quota, 1 ms in 1 s (kernel/sched/core.c).
const leastQuota = 0.001

// StallLimit is that of a total of a pressure file, in µs: nobody waits for
// more than all of the time.
var StallLimit = Limit{PerNano: 1e-3, Late: 10 * time.Millisecond}

// Allows reports whether a counter may grow by n within d.
func (l Limit) Allows(n float64, d time.Duration) bool {
	return l.PerNano == 0 || n <= l.PerNano*(float64(d)*(1+Tolerance)+float64(l.Late))
}

// Span is when a file was read: its text is of no earlier than Began and no
// later than Ended, in monotonic time.
type Span struct{ Began, Ended time.Duration }

// At is a span of no length.
func At(at time.Duration) Span { return Span{at, at} }

// Rate turns a counter into its growth per nanosecond of monotonic time. Wall
// clock steps do not touch it, and time spent suspended does not count: neither
// the clock nor the counters run then.
//
// Growth that is impossible, and a counter that falls, are absent. What was
// read then is in doubt, and so is what was read before: the next reading is
// compared with both. Where only one of the two makes sense, it goes on from
// there, so that one wrong reading costs one tick, and so does a jump for good.
type Rate struct {
	base, doubt    reading
	seen, doubtful bool
}

type reading struct {
	n  uint64
	at Span
}

// Next is the growth since the last present rate, with at the time of this
// reading.
func (r *Rate) Next(c snapshot.Count, at Span, limit Limit) snapshot.Value {
	v, _ := r.Over(c, at, limit, MinInterval)
	return v
}

// Over is Next, with the time over which the rate was taken, which is at least
// least; after less the interval stays open (NoTime).
func (r *Rate) Over(c snapshot.Count, at Span, limit Limit, least time.Duration) (snapshot.Value, time.Duration) {
	now := reading{c.N, at}
	switch {
	case !c.OK():
		return snapshot.Value{Why: c.Why}, 0
	case !r.seen:
		*r = Rate{base: now, seen: true}
		return snapshot.Value{Why: snapshot.FirstSample}, 0
	case at.Ended < r.base.at.Ended || r.doubtful && at.Ended < r.doubt.at.Ended:
		*r = Rate{base: now, seen: true}
		return snapshot.Value{Why: snapshot.NoTime}, 0
	}
	since := r.base
	if r.doubtful {
		since = r.doubt
	}
	if at.Ended-since.at.Ended < least && c.N >= since.n {
		return snapshot.Value{Why: snapshot.NoTime}, 0
	}
	v := r.base.to(now, limit)
	if r.doubtful {
		other := r.doubt.to(now, limit)
		switch {
		case !v.OK() && other.OK():
			since, v = r.doubt, other
		case v.OK() && other.OK() && math.Abs(v.V-other.V) > Tolerance*limit.PerNano:
			// Nothing tells which of the two was right, but this one can be.
			*r = Rate{base: now, seen: true}
			return snapshot.Value{Why: snapshot.Impossible}, 0
		default:
			since = r.base
		}
	}
	if !v.OK() {
		r.doubt, r.doubtful = now, true
		return v, 0
	}
	*r = Rate{base: now, seen: true}
	return v, at.Ended - since.at.Ended
}

// Exceeds reports that c is more than limit allows since the last reading.
func (r *Rate) Exceeds(c snapshot.Count, at Span, limit Limit) bool {
	return c.OK() && r.seen && r.base.to(reading{c.N, at}, limit).Why == snapshot.Impossible
}

// to is the growth per ns from a to b.
func (a reading) to(b reading, limit Limit) snapshot.Value {
	switch {
	case b.n < a.n:
		return snapshot.Value{Why: snapshot.Backwards}
	case b.at.Ended <= a.at.Ended:
		return snapshot.Value{Why: snapshot.NoTime}
	case !limit.Allows(float64(b.n-a.n), b.at.Ended-a.at.Began):
		return snapshot.Value{Why: snapshot.Impossible}
	}
	return snapshot.ValueOf(float64(b.n-a.n) / float64(b.at.Ended-a.at.Ended))
}

// PressureRate turns the totals of a pressure file into shares of time.
type PressureRate struct{ some, full Rate }

// Next is the share of the time since the sample before, 0 to 1 within the
// tolerance of StallLimit.
func (r *PressureRate) Next(p PSI, at Span) (some, full snapshot.Value) {
	return share(r.some.Next(p.SomeMicros, at, StallLimit)), share(r.full.Next(p.FullMicros, at, StallLimit))
}

// Judged is the counter behind a rate: absent where the rate is impossible.
func Judged(c snapshot.Count, rate snapshot.Value) snapshot.Count {
	if rate.Why == snapshot.Impossible {
		return snapshot.Count{Why: rate.Why}
	}
	return c
}

// share turns µs per ns into a share of time.
func share(v snapshot.Value) snapshot.Value {
	v.V *= 1e3
	return v
}
