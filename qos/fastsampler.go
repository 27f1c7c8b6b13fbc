package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// The fast lane looks ten times a second whether a regular container is being
// squeezed (snapshot.Contention) and has the loop tick early when one begins to
// be. What such a tick reads is an average since the tick before, in which the
// squeeze of the last 100 ms is thin; what the lane saw is not.

const (
	// fastFresh is how old its answer may be.
	fastFresh = time.Second
	// fastEvery is the time between two looks.
	fastEvery = 100 * time.Millisecond
)

// fastSays is the last look's answer: the share of time for which the container
// that it names waited (cgroup v2), or the part of its CPU that this one lost
// (v1), without what its own quota can explain; 0 when nobody is squeezed.
func (v *view) fastSays() snapshot.Value {
	q := &v.s.Contention
	switch {
	case q.State == snapshot.ContentionUnknown:
		return snapshot.Value{Why: fastAbsence(q.Why)}
	case !within(v.s.At.Sub(q.At), fastFresh):
		return snapshot.Value{Why: snapshot.NotRead}
	case q.State == snapshot.ContentionCalm:
		return snapshot.ValueOf(0)
	case q.State != snapshot.ContentionContended:
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return v.needs.lane // absent unless the container is there and regular
}

func fastAbsence(why snapshot.ContentionWhy) snapshot.Absence {
	switch why {
	case snapshot.ContentionTooSoon:
		return snapshot.FirstSample
	case snapshot.ContentionNoPressure:
		return snapshot.NoFile
	case snapshot.ContentionUnreadable:
		return snapshot.Failed
	}
	return snapshot.NotRead
}

// fastWindow is for how long the container that the lane names has been
// squeezed: it began half a look before it was noticed, in the middle.
func (v *view) fastWindow() time.Duration {
	q := &v.s.Contention
	return max(0, v.s.At.Sub(q.Since)) + fastEvery*time.Duration(max(1, q.Every))/2
}

// fastOf is the share that the lane saw of c. All that c's quota held back
// since the tick before is taken to be of the time that the lane speaks of, so
// that a container which begins to throttle itself is not squeezed by others.
func (v *view) fastOf(c *snapshot.Container, owed bool) snapshot.Value {
	degree := shareOf(snapshot.ValueOf(v.s.Contention.Degree))
	throttled, _ := v.before.throttled(c)
	switch {
	case !degree.OK():
		return degree
	case !throttled.OK():
		return throttled
	case v.nestedHeldBack && v.hasNestedHeldBack(c):
		return snapshot.Value{Why: snapshot.NotRead} // the tick's own reading tells
	case !owed: // it gets what it was allocated
		return snapshot.ValueOf(0)
	}
	return snapshot.ValueOf(max(0, degree.V-throttled.V/v.fastWindow().Seconds()))
}

func (v *view) hasNestedHeldBack(c *snapshot.Container) bool {
	for i := range v.s.Containers {
		if nested := &v.s.Containers[i]; nested.Parent != "" && wasHeldBack(nested) && v.topOf(nested) == c.ID {
			return true
		}
	}
	return false
}

// busyFor is how many cores were busy over the last d, of which busy is the
// average since the tick before, T ago. Where d is less than T, the node is
// taken to have been as busy until then as over the tick before:
//
//	(busy·T − before·(T − d)) / d
//
// This opens the gate for what the lane saw, and decides nothing else.
func (v *view) busyFor(d time.Duration, busy, cpus float64) float64 {
	t := v.s.Host.At.Sub(v.before.hostAt)
	if !v.before.busy.OK() || t <= d || t > v.fresh.Sample || d <= 0 {
		return busy
	}
	now := (busy*t.Seconds() - v.before.busy.V*(t-d).Seconds()) / d.Seconds()
	return max(busy, min(now, cpus))
}
