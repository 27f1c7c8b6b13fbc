package qos

import "time"

// ladder is the memory of one resource's ladder.
type ladder struct {
	rung Rung
	// since is when it came to that rung.
	since time.Time
	// quiet is since when nothing asks for the rung, or since the last step
	// down; zero while something asks.
	quiet time.Time
	// limit is what all throttled containers may use together, 0: none is
	// throttled. ceiling is the limit that is none.
	limit, ceiling float64
	// loosened is when the limit was last raised; backoff how many times in a
	// row that was too much.
	loosened time.Time
	backoff  int
}

// maxBackoff doublings of the time between two steps of loosening, eight times
// as long, is where it ends: a throttle that is never tried to be loosened
// would be one for ever.
const maxBackoff = 3

// follow moves what lies in the future of a clock that was set back.
func (l *ladder) follow(now time.Time) {
	l.since, l.quiet, l.loosened = earliest(l.since, now), earliest(l.quiet, now), earliest(l.loosened, now)
}

// asks is what the rules of one resource ask for.
type asks struct {
	// push is the highest rung that a rule which is above its threshold asks
	// for, keep the highest of all that have held and not cleared.
	push, keep Rung
	// immediate: a rule asks for push without the rungs below.
	immediate bool
	// slow: a rule that is above asks for a throttle or more than that on the
	// way of which a throttle lies; missing is the most that such a rule says
	// is missing, known unless none says.
	slow    bool
	missing float64
	known   bool
	// rule is the index of the first rule that asks for push, else for keep; -1
	// for none.
	rule int
}

// dwell is how long the ladder stays quiet before its next step down.
func (l *ladder) dwell(p *Policy) time.Duration { return p.Ladder.Dwell << l.backoff }

// move climbs or leaves a rung, by one unless the rules say otherwise.
func (l *ladder) move(p *Policy, now time.Time, a *asks) {
	switch {
	case a.push > l.rung:
		next := a.push
		if !a.immediate {
			next = l.above(p)
		}
		l.to(next, now)
		l.quiet = time.Time{}
	case a.keep >= l.rung:
		l.quiet = time.Time{}
	case l.rung == Kill:
		// Nobody has to wait for a rung to be left that nothing stays on.
		l.to(l.below(), now)
		l.quiet = now
	case l.quiet.IsZero():
		l.quiet = now
	case now.Sub(l.quiet) >= l.dwell(p):
		l.stepDown(p, now)
	}
}

func (l *ladder) to(r Rung, now time.Time) {
	if l.rung != r {
		l.rung, l.since = r, now
	}
}

// above is the next rung; without freezing there is no such rung.
func (l *ladder) above(p *Policy) Rung {
	next := l.rung + 1
	if next == Freeze && p.Ladder.FreezeFor == 0 {
		next++
	}
	return min(next, Kill)
}

// below is the rung that is left over when this one is left: a throttle is
// only where something is throttled.
func (l *ladder) below() Rung {
	switch {
	case l.rung > Slow && l.limit > 0:
		return Slow
	case l.rung > StopOffering:
		return StopOffering
	}
	return None
}

// stepDown leaves a rung, or loosens the throttle until there is none.
func (l *ladder) stepDown(p *Policy, now time.Time) {
	l.quiet = now
	if l.rung == Slow && l.limit > 0 {
		l.limit += max(l.limit*p.Ladder.Loosen, l.ceiling/100)
		l.loosened = now
		if l.limit < l.ceiling {
			return
		}
		l.limit = 0
	}
	l.to(l.below(), now)
	if l.rung == None {
		l.backoff = 0
	}
}

// tighten cuts the limit of containers that use `used` together by what is
// missing, or by half where that is not known. least is what must be left.
//
// A tenth more than what is missing is taken: a reading is an average over the
// time since the last tick, so what is missing now is more.
func (l *ladder) tighten(p *Policy, now time.Time, a *asks, used, least, ceiling float64) {
	if l.limit > 0 && !l.loosened.IsZero() && now.Sub(l.loosened) < l.dwell(p) {
		l.backoff = min(l.backoff+1, maxBackoff)
	}
	l.loosened = time.Time{}
	cut := used / 2
	if a.known {
		cut = min(used, a.missing*1.1)
	}
	from := used
	if l.limit > 0 {
		from = min(used, l.limit)
	} else {
		l.ceiling = max(ceiling, used)
	}
	l.limit = max(from-cut, least)
}

// release ends everything at once.
func (l *ladder) release(now time.Time) {
	l.to(None, now)
	l.quiet, l.limit, l.backoff, l.loosened = time.Time{}, 0, 0, time.Time{}
}
