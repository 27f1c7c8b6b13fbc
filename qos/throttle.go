package qos

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// limit is a throttle in force: of the CPU in cores, of memory in bytes; 0 for
// none.
type limit struct {
	key snapshot.Key
	by  [numResources]float64
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
func (e *engine) slowables(p *Policy, v *view, res Resource, inFlight []InFlight) []slowable {
	out := make([]slowable, 0, v.revocable)
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		if !c.OnDisk || c.Class() != snapshot.ClassRevocable || isDying(p, v, inFlight, c.Key) {
			continue
		}
		victim, err := NewVictim(c, Cause{})
		if err != nil {
			continue
		}
		s := slowable{victim: victim, allocated: allocated(c.Executor, res), was: e.limitOf(c.Key)[res]}
		use := v.use(c, res)
		s.used, s.known = use.V, use.OK()
		if s.known || s.was > 0 || res == CPU && e.isLight(c.Key) {
			out = append(out, s)
		}
	}
	return out
}

// isDying reports whether k is on its way to its end, so that nothing may slow
// it: a container that is held back takes long to die. One whose kill was ignored
// for too long lives, and is throttled like any other.
func isDying(p *Policy, v *view, inFlight []InFlight, k snapshot.Key) bool {
	return slices.ContainsFunc(inFlight, func(f InFlight) bool {
		return f.Key == k && !f.Ignored(v.s.At, p.Ladder.IgnoredAfter)
	})
}

// isInFlight reports whether a kill of k is under way, ignored or not.
func isInFlight(inFlight []InFlight, k snapshot.Key) bool {
	return slices.ContainsFunc(inFlight, func(f InFlight) bool { return f.Key == k })
}

func (e *engine) limitOf(k snapshot.Key) (by [numResources]float64) {
	if i, ok := slices.BinarySearchFunc(e.limits, k, func(l limit, k snapshot.Key) int { return compareKeys(l.key, k) }); ok {
		return e.limits[i].by
	}
	return by
}

// compareKeys orders as a Snapshot does.
func compareKeys(a, b snapshot.Key) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Inode, b.Inode))
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
func (s *slowable) least(p *Policy, res Resource) float64 {
	if res == CPU {
		return p.Ladder.FloorCores
	}
	// Reclaiming more than half of what it holds in one go would stop it whole.
	return max(leastMemory, s.used/2)
}

// distribute shares total out over ss.
//
// CPU: in proportion to what each was allocated, and what one does not use of
// its share is the others' (max-min fairness):
//
//	limit_i = λ·allocated_i,  Σ min(want_i, limit_i) = total
//
// want_i is what it uses, or without bound where it uses what it may.
//
// Memory: in proportion to what each uses, since what is not used need not be
// reclaimed.
func distribute(p *Policy, res Resource, total float64, ss []slowable) {
	if res == Memory {
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
func (s *slowable) part() float64 { return max(s.allocated, minCores) }

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
func (e *engine) slow(p *Policy, v *view, res Resource, a *asks, in *Input) (acted bool) {
	l := &e.ladders[res]
	cut := a.slow && l.rung >= Slow
	if !a.slow {
		l.grip = 0
	}
	if l.rung < Slow {
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
		enough, acted = l.lighten(p, v.s.At, a)
		cut = !enough
	}
	if res == CPU {
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
	if res == CPU {
		sum.most, _ = v.usableCPUs()
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
	if cut && l.due(v.s.At, a, sum.used) {
		acted = l.tighten(p, v.s.At, a, sum) || acted
	}
	woke := sum.used > l.limit*shownWithin && v.s.At.Sub(l.set) >= max(a.settle, wakeAfter)
	if l.limit != l.shared || came || woke {
		distribute(p, res, l.limit, ss)
		l.shared, l.set = l.limit, v.s.At
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
func (e *engine) limited(res Resource) (n int) {
	for i := range e.limits {
		if e.limits[i].by[res] > 0 {
			n++
		}
	}
	return n
}

// setLimits takes the limits of ss, which are sorted by key, by res, and no
// others by it.
func (e *engine) setLimits(res Resource, ss []slowable) {
	if e.isLimited(res, ss) {
		return
	}
	next := make([]limit, 0, len(ss)+len(e.limits))
	old := e.limits
	for i := range ss {
		key := ss[i].victim.Key()
		for len(old) > 0 && compareKeys(old[0].key, key) < 0 {
			next, old = appendWithout(next, old[0], res), old[1:]
		}
		one := limit{key: key}
		if len(old) > 0 && old[0].key == key {
			one, old = old[0], old[1:]
		}
		if one.by[res] = ss[i].now; one.by != ([numResources]float64{}) {
			next = append(next, one)
		}
	}
	for ; len(old) > 0; old = old[1:] {
		next = appendWithout(next, old[0], res)
	}
	e.limits = next
}

// appendWithout adds what l limits beside res.
func appendWithout(to []limit, l limit, res Resource) []limit {
	if l.by[res] = 0; l.by == ([numResources]float64{}) {
		return to
	}
	return append(to, l)
}

// isLimited reports whether the limits by res are those of ss already.
func (e *engine) isLimited(res Resource, ss []slowable) bool {
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
func (e *engine) unlimit(res Resource) {
	if res == CPU && e.ladders[CPU].light.IsZero() {
		e.light = nil
	}
	if e.limited(res) > 0 {
		e.setLimits(res, nil)
	}
}

// throttles is what is to be in force for the limits, in the order of the
// snapshot.
func (e *engine) throttles(p *Policy, v *view, inFlight []InFlight) (out []Throttle) {
	if len(e.limits)+len(e.light) == 0 {
		return nil
	}
	out = make([]Throttle, 0, max(len(e.limits), len(e.light)))
	cpus, why := v.usableCPUs()
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		if !c.OnDisk || c.Class() != snapshot.ClassRevocable {
			continue
		}
		by := e.limitOf(c.Key)
		light := by[CPU] > 0 || e.isLight(c.Key)
		if !light && by == ([numResources]float64{}) || isDying(p, v, inFlight, c.Key) {
			continue
		}
		if why == snapshot.Present && by[CPU] >= cpus {
			by[CPU] = 0 // no limit, and one that a quota around it would refuse
		}
		cause := Cause{Rule: e.ladders[Memory].rule}
		if light {
			cause.Rule = e.ladders[CPU].rule
		}
		victim, err := NewVictim(c, cause)
		if err != nil {
			continue
		}
		out = append(out, Throttle{Victim: victim, Cores: by[CPU], LowWeight: light, MemoryHighBytes: uint64(by[Memory])})
	}
	return out
}

// allocated is all that ex was given of res, its regular overhead included; in
// cores or bytes.
func allocated(ex *snapshot.Executor, res Resource) float64 {
	if res == CPU {
		return (ex.Regular.Get(resources.CPUs) + ex.Revocable.Get(resources.CPUs)).Float()
	}
	return (ex.Regular.Get(resources.Mem) + ex.Revocable.Get(resources.Mem)).Float() * resources.MemUnitBytes
}
