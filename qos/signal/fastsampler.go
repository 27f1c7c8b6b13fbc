package signal

import (
	"time"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// The fast sampler polls every 50 ms whether a regular container is
// contended (snapshot.Contention) and has the loop tick early when one begins to
// be. What such a tick reads is an average since the tick before, which hardly
// shows the contention of the last 50 ms; the poll shows it in full.

const (
	// fastFresh is how old its answer may be.
	fastFresh = time.Second
	// fastEvery is the time between two polls.
	fastEvery = snapshot.PollEvery
)

// fastSays is the last poll's answer: the share of time for which the container
// that it names waited (cgroup v2), or the part of its CPU that this one lost
// (v1), without what its own quota can explain; 0 when none is contended.
func (v *View) fastSays() snapshot.Value {
	q := &v.Snapshot.Contention
	switch {
	case q.State == snapshot.ContentionUnknown:
		return snapshot.Value{Why: fastAbsence(q.Why)}
	case !within(v.Snapshot.At.Sub(q.At), fastFresh):
		return snapshot.Value{Why: snapshot.NotRead}
	case q.State == snapshot.ContentionCalm:
		return snapshot.ValueOf(0)
	case q.State != snapshot.ContentionContended:
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return v.needs.fast // absent unless the container is there and regular
}

func fastAbsence(why snapshot.ContentionWhy) snapshot.Absence {
	switch why {
	case snapshot.ContentionTooSoon:
		return snapshot.FirstSample
	case snapshot.ContentionNoPressure:
		return snapshot.NoFile
	case snapshot.ContentionUnreadable:
		return snapshot.Failed
	case snapshot.ContentionImpossible:
		return snapshot.Impossible
	}
	return snapshot.NotRead
}

// fastWindow is for how long the container that the fast sampler names has been
// contended: on average that began half an interval before it was noticed.
func (v *View) fastWindow() time.Duration {
	q := &v.Snapshot.Contention
	return max(0, v.Snapshot.At.Sub(q.Since)) + fastEvery*time.Duration(max(1, q.Every))/2
}

// fastOf is the share that the fast sampler saw of the container with demand d.
// All the throttling by its own quotas since the tick before is taken to be within
// the time that the poll is about, so that a container which begins to throttle
// itself does not count as contended by others.
func (v *View) fastOf(d *demand.Demand, owed bool) snapshot.Value {
	degree := shareOf(snapshot.ValueOf(v.Snapshot.Contention.Degree))
	switch {
	case !degree.OK():
		return degree
	case !d.Throttled.OK():
		return d.Throttled
	case !owed: // it gets what it was allocated
		return snapshot.ValueOf(0)
	}
	return snapshot.ValueOf(max(0, degree.V-d.Throttled.V/v.fastWindow().Seconds()))
}

// busyFor is how many cores were busy over the last d, of which busy is the
// average since the tick before, T ago. Where d is less than T, the node is
// taken to have been as busy until then as over the tick before:
//
//	(busy·T − before·(T − d)) / d
//
// This opens the gate for what the fast sampler saw, and decides nothing else.
func (v *View) busyFor(d time.Duration, busy, cpus float64) float64 {
	t := v.Snapshot.Host.At.Sub(v.before.hostAt)
	if !v.before.busy.OK() || t <= d || t > v.limits.Sample || d <= 0 {
		return busy
	}
	now := (busy*t.Seconds() - v.before.busy.V*(t-d).Seconds()) / d.Seconds()
	return max(busy, min(now, cpus))
}
