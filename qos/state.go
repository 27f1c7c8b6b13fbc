package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/snapshot"
)

// State is what Decide remembers from one tick to the next; the zero State is
// the start. A State is a value: Decide never changes the one it is given.
type State struct {
	// policy is what since belongs to; a new policy starts from nothing.
	policy *Policy
	// at is the tick before.
	at time.Time
	// since is, per rule, when it was first above without interruption.
	since []time.Time
	// dying are the kills that were under way at the tick before.
	dying []snapshot.Key
	// goneAt is when the last one of them was seen to be gone.
	goneAt time.Time
}

// follow brings st to the tick at now: it forgets what was interrupted and
// notices which kills are done.
func (st State) follow(p *Policy, now time.Time, inFlight []InFlight) State {
	// Nobody looked between two ticks that are too far apart, and a clock that
	// went back says nothing about how long anything lasted.
	gap := now.Sub(st.at)
	if st.policy != p || len(st.since) != len(p.Rules) || gap < 0 || gap > p.Fresh.Sample {
		st.since = make([]time.Time, len(p.Rules))
	}
	st.policy, st.at = p, now
	if st.goneAt.After(now) {
		st.goneAt = now
	}
	for _, k := range st.dying {
		if !slices.ContainsFunc(inFlight, func(f InFlight) bool { return f.Key == k }) {
			st.goneAt = now
		}
	}
	st.dying = nil
	if len(inFlight) > 0 {
		st.dying = make([]snapshot.Key, len(inFlight))
		for i := range inFlight {
			st.dying[i] = inFlight[i].Key
		}
	}
	return st
}

// setSince returns st with rule i above since t (zero: it is not). The slice
// is copied on a change only: a calm tick allocates nothing.
func (st State) setSince(i int, t time.Time) State {
	if !st.since[i].Equal(t) {
		st.since = slices.Clone(st.since)
		st.since[i] = t
	}
	return st
}

// settlesFor is how long rule r must still wait for the last victim's relief
// to show.
func (st State) settlesFor(r *Rule) time.Duration {
	if st.goneAt.IsZero() {
		return 0
	}
	return max(0, st.goneAt.Add(r.Settle).Sub(st.at))
}
