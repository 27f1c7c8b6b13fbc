package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// ladder is the memory of one resource's ladder.
type ladder struct {
	rung policy.Rung
	// since is when it came to that rung.
	since time.Time
	// quiet is since when nothing asks for the rung, or since the last step
	// down; zero while something asks.
	quiet time.Time
	// rule is the name of the last rule that asked for most.
	rule string
	// acted is when something was last taken: a limit cut, a container frozen.
	acted time.Time
	// limit is what all throttled containers may use together, 0: none is
	// throttled. ceiling is the limit from which on there need not be one. shared
	// is the limit that was last shared out among the containers, set when.
	limit, ceiling, shared float64
	set                    time.Time
	// lowWeight is since when the throttled containers have the least CPU weight;
	// zero while they have their own.
	lowWeight time.Time
	// cuts is how many cuts in a row have not been enough.
	cuts int
	// loosened is when the limit was last raised; backoff how many times in a
	// row that was too much. failed is the limit that was the last time, since
	// failedAt; 0 for none.
	loosened time.Time
	backoff  int
	failed   float64
	failedAt time.Time
}

const (
	// maxBackoff doublings of the time between two steps of loosening, eight
	// times as long, is where it ends: a throttle that is never tried to be
	// loosened would be one for ever.
	maxBackoff = 3
	// maxDoublings doublings of a cut are 16 times the shortfall; five cuts take
	// back any amount that a reading of 5 % tells of.
	maxDoublings = 4
	// shownWithin is by how much throttled containers may use more than their
	// limit and still keep it: samples and the kernel's 100 ms periods do not
	// line up.
	shownWithin = 1.1
	// beyondShortfall is how much more than the shortfall is taken: a reading is an
	// average over the time since the last tick, so it is more now.
	beyondShortfall = 1.1
	// leastCut is a share of the ceiling: a demand that climbs slowly is followed
	// in steps, not at each tick.
	leastCut = 0.02
)

// asks is what the rules of one resource ask for.
type asks struct {
	// push is the highest rung that a rule which is above its threshold asks
	// for, keep the highest of all that are active.
	push, keep policy.Rung
	// unclear is the highest rung of the rules whose reading is above the clear
	// level: what is in force stays.
	unclear policy.Rung
	// immediate: a rule asks for push without the rungs below. settle is the
	// shortest one of the rules that ask for push: how long it takes until what
	// is done shows in their readings.
	immediate bool
	settle    time.Duration
	// throttle: a rule that is exceeded asks for a throttle, or for more than that
	// after one; shortfall is the largest of such rules, absent when none tells.
	throttle  bool
	shortfall snapshot.Value
	// waits: all those rules read how regular containers wait for a CPU, which
	// the weight of the others changes.
	waits bool
	// room is how much more may be used until a rule is not clear any more;
	// absent when no rule can tell.
	room snapshot.Value
	// frozen: containers are frozen for this resource.
	frozen bool
	// rule is the index of the first rule that asks for push, else for keep; -1
	// for none.
	rule int
}

// limitRoom takes what one rule says of the room.
func (a *asks) limitRoom(room snapshot.Value) {
	if room.OK() && (!a.room.OK() || room.V < a.room.V) {
		a.room = room
	}
}

// dwell is how long the ladder stays quiet before its next step down.
func (l *ladder) dwell(p *policy.Policy) time.Duration { return p.Ladder.Dwell << l.backoff }

// move climbs a rung up to the throttle, all of them where a rule says so, or
// leaves one. It reports whether it did. What is above the throttle is climbed
// after that had its turn.
func (l *ladder) move(p *policy.Policy, now time.Time, a *asks) (moved bool) {
	before := l.rung
	switch {
	case a.push > l.rung:
		l.quiet = time.Time{}
		if a.immediate {
			l.to(a.push, now)
		} else if l.rung < policy.Throttle {
			l.to(l.above(p), now)
		}
	case l.rung == policy.Kill && a.push < policy.Kill:
		// Nothing stays on this rung, so it is left at once, and who asks for it
		// again has to try the others first.
		l.to(l.below(a), now)
		l.quiet = now
	case a.keep >= l.rung, a.unclear >= l.rung:
		l.quiet = time.Time{}
	case l.quiet.IsZero():
		l.quiet = now
	case now.Sub(l.quiet) >= l.dwell(p):
		l.stepDown(p, now, a)
	}
	return l.rung != before
}

// climb goes one further from the throttle on, when there is nothing to throttle
// or to freeze, or nothing more of it for as long as it takes to show, and that
// was not enough.
func (l *ladder) climb(p *policy.Policy, now time.Time, a *asks) {
	if a.push > l.rung && l.rung >= policy.Throttle && (!l.throttles() && !a.frozen || now.Sub(l.acted) >= a.settle) {
		l.to(l.above(p), now)
	}
}

func (l *ladder) to(r policy.Rung, now time.Time) {
	if l.rung != r {
		l.rung, l.since = r, now
	}
}

// above is the next rung; without freezing there is no such rung.
func (l *ladder) above(p *policy.Policy) policy.Rung {
	next := l.rung + 1
	if next == policy.Freeze && p.Ladder.FreezeFor == 0 {
		next++
	}
	return min(next, policy.Kill)
}

// below is the rung that is left over when this one is left: one on which
// something is still in force.
func (l *ladder) below(a *asks) policy.Rung {
	switch {
	case l.rung > policy.Freeze && a.frozen:
		return policy.Freeze
	case l.rung > policy.Throttle && l.throttles():
		return policy.Throttle
	case l.rung > policy.StopOffering:
		return policy.StopOffering
	}
	return policy.None
}

// throttles reports whether anything is throttled.
func (l *ladder) throttles() bool { return l.limit > 0 || !l.lowWeight.IsZero() }

// stepDown leaves a rung, or loosens the throttle until there is none.
func (l *ladder) stepDown(p *policy.Policy, now time.Time, a *asks) {
	l.quiet = now
	if l.rung == policy.Throttle && l.limit > 0 {
		if l.loosen(p, now, a); l.throttles() {
			return
		}
	}
	if l.rung == policy.Throttle && !l.lowWeight.IsZero() {
		l.lowWeight, l.loosened = time.Time{}, now
	}
	l.to(l.below(a), now)
	if l.rung == policy.None {
		l.backoff, l.failed = 0, 0
	}
}

// loosen raises the limit by a step, where there is room for one: no further
// than half way to what a rule says would be too much, or to what was too much
// last time. Steps of less than a hundredth are not made, so that under a
// constant load the limit comes to rest.
func (l *ladder) loosen(p *policy.Policy, now time.Time, a *asks) {
	least := l.ceiling / 100
	step := max(l.limit*p.Ladder.Loosen, least)
	if a.room.OK() {
		step = min(step, a.room.V/2)
	}
	if l.failed > 0 {
		if now.Sub(l.failedAt) >= p.Ladder.Dwell<<maxBackoff {
			l.failed = 0 // what was too much then need not be now
		} else {
			step = min(step, (l.failed-l.limit)/2)
		}
	}
	if step < least {
		return
	}
	l.loosened = now
	if l.limit += step; l.limit >= l.ceiling {
		l.limit = 0
	}
}

// due reports whether the last cut has shown, or should have: only then does
// the reading say that it was not enough.
func (l *ladder) due(now time.Time, a *asks, used float64) bool {
	if l.limit == 0 || used <= l.limit*shownWithin {
		return true
	}
	// It does not work. Where there is another rung to climb, more of it is not
	// waited for.
	return a.push <= l.rung && now.Sub(l.acted) >= max(a.settle, time.Second)
}

// tighten cuts the limit by the shortfall, or by half of what is used where
// that is not known, and by twice as much as the last time where that was not
// enough: a reading that stops at "all is busy" never tells of more. It reports
// whether that is a new throttle, not one that is only tightened further.
func (l *ladder) tighten(p *policy.Policy, now time.Time, a *asks, t throttled) (isNew bool) {
	before := l.limit
	cut := t.used / 2
	if before == 0 {
		l.ceiling = 0
	}
	l.ceiling = max(l.ceiling, t.given, t.used, t.most)
	if a.shortfall.OK() {
		cut = min(t.used, max(a.shortfall.V*beyondShortfall*float64(int(1)<<min(l.cuts, maxDoublings)), l.ceiling*leastCut))
	}
	from := t.used
	if l.limit > 0 {
		from = min(t.used, l.limit)
	}
	next := max(from-cut, t.least)
	if before > 0 && next >= before {
		return false // at the floor
	}
	again := !l.loosened.IsZero()
	if again && now.Sub(l.loosened) < l.dwell(p) {
		l.backoff = min(l.backoff+1, maxBackoff)
		l.failed, l.failedAt = before, now
		if before == 0 {
			l.failed = l.ceiling
		}
	}
	l.loosened = time.Time{}
	l.limit, l.acted = next, now
	l.cuts++
	return before == 0 || again
}

// release ends everything at once.
func (l *ladder) release(now time.Time) {
	l.to(policy.None, now)
	*l = ladder{since: l.since}
}
