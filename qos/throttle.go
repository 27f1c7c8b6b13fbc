package qos

import (
	"math"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// limit is a throttle in force: of the CPU in cores, of memory in bytes; 0 for
// none.
type limit struct {
	key snapshot.Key
	by  [policy.NumResources]float64
}

// slowable is a container that can be throttled.
type slowable struct {
	victim Victim
	// used is what it uses now, known unless the reading is absent; allocated
	// what it was given; both in the resource's unit.
	used, allocated float64
	known           bool
	// was is the limit that it has already, 0 for none.
	was float64
	// now is the limit that it gets.
	now float64
}

// leastMemory is what a throttled container keeps of memory at least, in bytes:
// an executor's own need.
const leastMemory = 32 << 20

// slowables are the containers that may be throttled by resource res: what can
// be a victim, is on disk and is not dying. One whose use is unknown is not
// throttled anew.
func (e *engine) slowables(p *policy.Policy, v *signal.View, res policy.Resource, inFlight []InFlight) []slowable {
	out := make([]slowable, 0, v.Revocable)
	for i := range v.Snapshot.Containers {
		c := &v.Snapshot.Containers[i]
		if !c.OnDisk || c.Class() != snapshot.ClassRevocable || isDying(p, v, inFlight, c.Key) {
			continue
		}
		victim, err := NewVictim(c, Cause{})
		if err != nil {
			continue
		}
		s := slowable{victim: victim, allocated: allocated(c.Executor, res), was: e.limitOf(c.Key)[res]}
		use := v.Use(c, res)
		s.used, s.known = use.V, use.OK()
		if s.known || s.was > 0 || res == policy.CPU && e.isLight(c.Key) {
			out = append(out, s)
		}
	}
	return out
}

// isDying reports whether k is on its way to its end, so that nothing may slow
// it: a container that is held back takes long to die. One whose kill was ignored
// for too long lives, and is throttled like any other.
func isDying(p *policy.Policy, v *signal.View, inFlight []InFlight, k snapshot.Key) bool {
	return slices.ContainsFunc(inFlight, func(f InFlight) bool {
		return f.Key == k && !f.Ignored(v.Snapshot.At, p.Ladder.IgnoredAfter)
	})
}

// isInFlight reports whether a kill of k is under way, ignored or not.
func isInFlight(inFlight []InFlight, k snapshot.Key) bool {
	return slices.ContainsFunc(inFlight, func(f InFlight) bool { return f.Key == k })
}

func (e *engine) limitOf(k snapshot.Key) (by [policy.NumResources]float64) {
	if i, ok := slices.BinarySearchFunc(e.limits, k, func(l limit, k snapshot.Key) int { return l.key.Compare(k) }); ok {
		return e.limits[i].by
	}
	return by
}

// counted is what it uses; what cannot be read is taken to be its limit, so that
// a missing reading does not tighten the others'.
func (s *slowable) counted() float64 {
	if !s.known {
		return s.was
	}
	return s.used
}

// least is what a container keeps at least.
func (s *slowable) least(p *policy.Policy, res policy.Resource) float64 {
	if res == policy.CPU {
		return p.Ladder.FloorCores
	}
	// Reclaiming more than half of what it holds in one go would stop it whole.
	return max(leastMemory, s.used/2)
}

// distribute shares total out over ss.
//
// policy.CPU: in proportion to what each was allocated, and what one does not use of
// its share is the others' (max-min fairness):
//
//	limit_i = λ·allocated_i,  Σ min(want_i, limit_i) = total
//
// want_i is what it uses, or without bound where it uses what it may.
//
// policy.Memory: in proportion to what each uses, since what is not used need not be
// reclaimed.
func distribute(p *policy.Policy, res policy.Resource, total float64, ss []slowable) {
	if res == policy.Memory {
		used := 0.0
		for i := range ss {
			used += ss[i].used
		}
		for i := range ss {
			if ss[i].known && used > 0 {
				ss[i].now = max(ss[i].used*total/used, ss[i].least(p, res))
			}
		}
		return
	}
	level := waterLevel(total, ss)
	for i := range ss {
		ss[i].now = min(max(level*ss[i].part(), p.Ladder.FloorCores), max(total, p.Ladder.FloorCores))
	}
}

// part is what a container's share is in proportion to.
func (s *slowable) part() float64 { return max(s.allocated, policy.MinCores) }

// want is what it would use without a limit, as far as it is known.
func (s *slowable) want() float64 {
	if !s.known || s.was > 0 && s.used >= 0.8*s.was {
		return math.Inf(1)
	}
	return s.used
}

// waterLevel is the λ of distribute.
func waterLevel(total float64, ss []slowable) float64 {
	order := make([]*slowable, len(ss))
	parts := 0.0
	for i := range ss {
		order[i] = &ss[i]
		parts += ss[i].part()
	}
	slices.SortFunc(order, func(a, b *slowable) int {
		switch x, y := a.want()/a.part(), b.want()/b.part(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	left := total
	for _, s := range order {
		if s.want() >= left/parts*s.part() {
			return left / parts
		}
		left -= s.want()
		parts -= s.part()
	}
	return math.Inf(1) // all of them want less than there is
}

// slow brings the limits by res up to date and returns whether something was
// taken anew. Limits change only when the total does, a container came, or those
// that used little before do not any more: a limit that follows every reading is
// written at every tick.
func (e *engine) slow(p *policy.Policy, v *signal.View, res policy.Resource, a *asks, in *Input) (acted bool) {
	l := &e.ladders[res]
	cut := a.slow && l.rung >= policy.Throttle
	if !a.slow {
		l.grip = 0
	}
	if l.rung < policy.Throttle {
		l.light = time.Time{}
	}
	if !cut && !l.throttles() {
		e.unlimit(res)
		return false
	}
	ss := e.slowables(p, v, res, in.InFlight)
	if len(ss) == 0 {
		l.limit, l.light = 0, time.Time{}
		e.unlimit(res)
		return false
	}
	if cut {
		var enough bool
		enough, acted = l.lighten(p, v.Snapshot.At, a)
		cut = !enough
	}
	if res == policy.CPU {
		e.weighDown(l, ss)
	}
	// One of unknown use keeps its weight taken, and gets no limit.
	ss = slices.DeleteFunc(ss, func(s slowable) bool { return !s.known && s.was == 0 })
	if !cut && l.limit == 0 || len(ss) == 0 {
		l.limit = 0
		e.unlimit(res)
		return acted
	}
	var sum throttled
	came, stayed, had := false, 0, 0.0
	for i := range ss {
		s := &ss[i]
		sum.used += s.counted()
		sum.least += s.least(p, res)
		sum.given += s.allocated
		had += s.was
		if s.was > 0 {
			stayed++
		}
		came = came || s.was == 0
	}
	if res == policy.CPU {
		sum.most, _ = v.UsableCPUs()
	}
	switch {
	case l.limit == 0:
	case stayed == 0:
		// All that were throttled have left; nobody else has to pay for them.
		l.limit = 0
		if !cut {
			e.unlimit(res)
			return false
		}
	case stayed < e.limited(res):
		// The share of one that left goes back to the node, not to the others.
		l.limit = max(min(l.limit, had), min(l.limit, sum.least))
		l.shared = l.limit
	}
	if cut && l.due(v.Snapshot.At, a, sum.used) {
		acted = l.tighten(p, v.Snapshot.At, a, sum) || acted
	}
	woke := sum.used > l.limit*shownWithin && v.Snapshot.At.Sub(l.set) >= max(a.settle, wakeAfter)
	if l.limit != l.shared || came || woke {
		distribute(p, res, l.limit, ss)
		l.shared, l.set = l.limit, v.Snapshot.At
	} else {
		for i := range ss {
			ss[i].now = ss[i].was
		}
	}
	e.setLimits(res, ss)
	return acted
}

// wakeAfter is how long throttled containers may together use more than their
// limit before it is shared out anew: by then the last limits have shown.
const wakeAfter = 3 * time.Second

// limited is how many containers have a limit by res.
func (e *engine) limited(res policy.Resource) (n int) {
	for i := range e.limits {
		if e.limits[i].by[res] > 0 {
			n++
		}
	}
	return n
}

// setLimits takes the limits of ss, which are sorted by key, by res, and no
// others by it.
func (e *engine) setLimits(res policy.Resource, ss []slowable) {
	if e.isLimited(res, ss) {
		return
	}
	next := make([]limit, 0, len(ss)+len(e.limits))
	old := e.limits
	for i := range ss {
		key := ss[i].victim.Key()
		for len(old) > 0 && old[0].key.Compare(key) < 0 {
			next, old = appendWithout(next, old[0], res), old[1:]
		}
		one := limit{key: key}
		if len(old) > 0 && old[0].key == key {
			one, old = old[0], old[1:]
		}
		if one.by[res] = ss[i].now; one.by != ([policy.NumResources]float64{}) {
			next = append(next, one)
		}
	}
	for ; len(old) > 0; old = old[1:] {
		next = appendWithout(next, old[0], res)
	}
	e.limits = next
}

// appendWithout adds what l limits beside res.
func appendWithout(to []limit, l limit, res policy.Resource) []limit {
	if l.by[res] = 0; l.by == ([policy.NumResources]float64{}) {
		return to
	}
	return append(to, l)
}

// isLimited reports whether the limits by res are those of ss already.
func (e *engine) isLimited(res policy.Resource, ss []slowable) bool {
	if e.limited(res) != len(ss) {
		return false
	}
	for i := range ss {
		if ss[i].now <= 0 || ss[i].now != ss[i].was {
			return false
		}
	}
	return true
}

// unlimit ends all limits by res.
func (e *engine) unlimit(res policy.Resource) {
	if res == policy.CPU && e.ladders[policy.CPU].light.IsZero() {
		e.light = nil
	}
	if e.limited(res) > 0 {
		e.setLimits(res, nil)
	}
}

// throttles is what is to be in force for the limits, in the order of the
// snapshot.
func (e *engine) throttles(p *policy.Policy, v *signal.View, inFlight []InFlight) (out []Throttle) {
	if len(e.limits)+len(e.light) == 0 {
		return nil
	}
	out = make([]Throttle, 0, max(len(e.limits), len(e.light)))
	cpus, why := v.UsableCPUs()
	for i := range v.Snapshot.Containers {
		c := &v.Snapshot.Containers[i]
		if !c.OnDisk || c.Class() != snapshot.ClassRevocable {
			continue
		}
		by := e.limitOf(c.Key)
		light := by[policy.CPU] > 0 || e.isLight(c.Key)
		if !light && by == ([policy.NumResources]float64{}) || isDying(p, v, inFlight, c.Key) {
			continue
		}
		if why == snapshot.Present && by[policy.CPU] >= cpus {
			by[policy.CPU] = 0 // no limit, and one that a quota around it would refuse
		}
		cause := Cause{Rule: e.ladders[policy.Memory].rule}
		if light {
			cause.Rule = e.ladders[policy.CPU].rule
		}
		victim, err := NewVictim(c, cause)
		if err != nil {
			continue
		}
		out = append(out, Throttle{Victim: victim, Cores: by[policy.CPU], LowWeight: light, MemoryHighBytes: uint64(by[policy.Memory])})
	}
	return out
}

// allocated is all that ex was given of res, its regular overhead included; in
// cores or bytes.
func allocated(ex *snapshot.Executor, res policy.Resource) float64 {
	if res == policy.CPU {
		return (ex.Regular.Get(resources.CPUs) + ex.Revocable.Get(resources.CPUs)).Float()
	}
	return (ex.Regular.Get(resources.Mem) + ex.Revocable.Get(resources.Mem)).Float() * resources.MemUnitBytes
}
