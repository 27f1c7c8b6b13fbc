package qos

import (
	"cmp"
	"math"
	"slices"

	"github.com/estimatord/estimatord/resources"
	"github.com/estimatord/estimatord/snapshot"
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
func (e *engine) slowables(v *view, res Resource, inFlight []InFlight) []slowable {
	var out []slowable
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		if !c.OnDisk || c.Class() != snapshot.ClassRevocable || isDying(inFlight, c.Key) {
			continue
		}
		victim, err := NewVictim(c, Cause{})
		if err != nil {
			continue
		}
		s := slowable{victim: victim, allocated: allocated(c.Executor, res), was: e.limitOf(c.Key)[res]}
		use := v.use(c, res)
		s.used, s.known = use.V, use.OK()
		if s.known || s.was > 0 {
			out = append(out, s)
		}
	}
	return out
}

func isDying(inFlight []InFlight, k snapshot.Key) bool {
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

// slow brings the limits by res up to date and returns whether anything was
// tightened. Limits change only when the total does or a container came: a
// limit that follows every reading is written at every tick.
func (e *engine) slow(p *Policy, v *view, res Resource, a *asks, in *Input) (acted bool) {
	l := &e.ladders[res]
	cut := a.slow && l.rung >= Slow
	if !cut && l.limit == 0 {
		e.unlimit(res)
		return false
	}
	ss := e.slowables(v, res, in.InFlight)
	if len(ss) == 0 {
		l.limit = 0
		e.unlimit(res)
		return false
	}
	used, least, given := 0.0, 0.0, 0.0
	changed := false
	for i := range ss {
		used += ss[i].used
		least += ss[i].least(p, res)
		given += ss[i].allocated
		changed = changed || ss[i].was == 0
	}
	before := l.limit
	if cut {
		l.tighten(p, v.s.At, a, used, least, given)
	}
	if before != l.limit || changed {
		distribute(p, res, l.limit, ss)
	} else {
		for i := range ss {
			ss[i].now = ss[i].was
		}
	}
	e.setLimits(res, ss)
	return cut && (before == 0 || l.limit < before)
}

// setLimits takes the limits of ss by res, and no others by it.
func (e *engine) setLimits(res Resource, ss []slowable) {
	next := make([]limit, 0, len(ss)+len(e.limits))
	for i := range ss {
		if ss[i].now > 0 {
			by := e.limitOf(ss[i].victim.key)
			by[res] = ss[i].now
			next = append(next, limit{key: ss[i].victim.key, by: by})
		}
	}
	for _, old := range e.limits {
		old.by[res] = 0
		if old.by != ([numResources]float64{}) && !slices.ContainsFunc(next, func(n limit) bool { return n.key == old.key }) {
			next = append(next, old)
		}
	}
	slices.SortFunc(next, func(a, b limit) int { return compareKeys(a.key, b.key) })
	e.limits = next
}

// unlimit ends all limits by res.
func (e *engine) unlimit(res Resource) {
	if slices.ContainsFunc(e.limits, func(l limit) bool { return l.by[res] != 0 }) {
		e.setLimits(res, nil)
	}
}

// throttles is what is to be in force for the limits, in the order of the
// snapshot.
func (e *engine) throttles(v *view, inFlight []InFlight, cause Cause) (out []Throttle) {
	if len(e.limits) == 0 {
		return nil
	}
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		by := e.limitOf(c.Key)
		if by == ([numResources]float64{}) || !c.OnDisk || isDying(inFlight, c.Key) {
			continue
		}
		victim, err := NewVictim(c, cause)
		if err != nil {
			continue
		}
		out = append(out, Throttle{Victim: victim, Cores: by[CPU], LowWeight: by[CPU] > 0, MemoryHighBytes: uint64(by[Memory])})
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
