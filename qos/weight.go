package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// A throttle begins with the weight: revocable containers get the
// least share of contended CPUs that the kernel knows, and all that is idle, as
// before. Who waits for a CPU gets it at once, and nothing else is lost: beside
// hogs of the least weight a service answered 4 to 9 % later than alone (p99),
// beside hogs that a quota held back 52 to 54 % later, since what has used up its
// share of 100 ms runs its next one in one piece (docs/evidence/contention.md). A quota
// follows where the weight is not enough, and at once for rules that read
// something else than waiting, which a weight does not change.
//
// That the weight is not enough has to come from a reading which says how much
// is missing, or from one for which it is time to go further than a throttle.
// What the fast sampler sees on cgroup v1, a container that has less CPU than just
// before, is as well one that has less to do: reason enough to take weight, which
// costs next to nothing, but beside hogs without weight it is hardly ever more.

// weightShows is how long a weight is given to show in what is read: the fast
// lane looks each 100 ms, and what it says counts until its next look.
const weightShows = 250 * time.Millisecond

// lowerWeight takes the weight of the revocable containers where the rules that are
// above ask for no more, and reports whether that is enough for this tick; isNew
// says that it was taken just now.
func (l *ladder) lowerWeight(p *policy.Policy, now time.Time, a *asks) (enough, isNew bool) {
	if !l.lowWeight.IsZero() {
		unsure := a.waits && !a.known && a.push <= policy.Throttle
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

// setLowWeight brings the list of containers without weight up to date: those of
// ts, while the ladder holds their weight.
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

// hasLowWeight reports whether the weight of k is taken.
func (e *engine) hasLowWeight(k snapshot.Key) bool {
	_, ok := slices.BinarySearchFunc(e.lowWeight, k, snapshot.Key.Compare)
	return ok
}
