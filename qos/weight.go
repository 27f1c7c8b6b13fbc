package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// A throttle begins with the CPU weight: revocable containers get the least share
// of contended CPUs that the kernel knows, and all that is idle, as before. Who
// waits for a CPU gets it at once, and nothing else is lost: beside hogs of the
// least weight a service answered 4 to 9 % later than alone (p99), beside hogs
// that a quota throttled 52 to 54 % later, since what has used up its share of
// 100 ms runs its next one in one piece (docs/evidence/contention.md). A quota
// follows where the weight is not enough, and at once for rules that read
// something else than waiting, which a weight does not change.
//
// That the weight is not enough has to come from a reading which gives a
// shortfall, or from a rule that asks for more than a throttle: a container that
// has less CPU than just before (the fast sampler on cgroup v1) may have less to
// do, which is reason enough for the weight, and not for a quota.

// weightShows is how long a weight is given to show in what is read: the answer
// of the fast sampler counts until its next poll.
const weightShows = 250 * time.Millisecond

// lowerWeight gives the revocable containers the least weight where the active
// rules ask for no more, and reports whether that is enough for this tick; isNew
// says that it was done just now.
func (l *ladder) lowerWeight(p *policy.Policy, now time.Time, a *asks) (enough, isNew bool) {
	if !l.lowWeight.IsZero() {
		unsure := a.waits && !a.shortfall.OK() && a.push <= policy.Throttle
		return l.limit == 0 && (unsure || now.Sub(l.lowWeight) < weightShows), false
	}
	if !a.waits || l.limit > 0 {
		return false, false
	}
	if !l.loosened.IsZero() && now.Sub(l.loosened) < l.dwell(p) {
		l.backoff = min(l.backoff+1, maxBackoff)
	}
	l.loosened = time.Time{}
	l.lowWeight, l.acted = now, now
	return true, true
}

// setLowWeight makes ts the containers with low weight, while the ladder says so.
func (e *engine) setLowWeight(l *ladder, ts []target) {
	if l.lowWeight.IsZero() {
		e.lowWeight = nil
		return
	}
	if slices.EqualFunc(e.lowWeight, ts, func(k snapshot.Key, s target) bool { return k == s.key }) {
		return
	}
	e.lowWeight = make([]snapshot.Key, len(ts))
	for i := range ts {
		e.lowWeight[i] = ts[i].key
	}
}

// hasLowWeight reports whether k has the least weight.
func (e *engine) hasLowWeight(k snapshot.Key) bool {
	_, ok := slices.BinarySearchFunc(e.lowWeight, k, snapshot.Key.Compare)
	return ok
}
