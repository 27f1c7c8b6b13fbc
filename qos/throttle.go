package qos

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// limit is a throttle in force: of the CPU in cores, of memory in bytes.
type limit struct {
	key  snapshot.Key
	most float64
}

// target is a container that can be throttled.
type target struct {
	key snapshot.Key
	// used is what it uses now, known unless the reading is absent; allocated
	// what it was given; both in the resource's unit.
	used, allocated float64
	known           bool
	// was is the limit that it has already, 0 for none; now the one that it gets.
	was, now float64
}

// leastMemory is what a throttled container keeps of memory at least, in bytes:
// an executor's own need.
const leastMemory = 32 << 20

// targets are the containers that may be throttled by resource res, sorted by
// key: what can be a victim, is on disk and is not dying. One whose use is
// unknown is not throttled anew.
func (t *turn) targets(res policy.Resource) []target {
	out := make([]target, 0, t.v.Revocable)
	for i := range t.v.Snapshot.Containers {
		c := &t.v.Snapshot.Containers[i]
		if !c.OnDisk || c.Class() != snapshot.ClassRevocable || t.isDying(c.Key) {
			continue
		}
		if _, err := NewVictim(c, Cause{}); err != nil {
			continue
		}
		use := t.v.Use(c, res)
		one := target{key: c.Key, allocated: allocated(c.Executor, res), was: t.e.limitOf(res, c.Key), used: use.V, known: use.OK()}
		if one.known || one.was > 0 || res == policy.CPU && t.e.hasLowWeight(c.Key) {
			out = append(out, one)
		}
	}
	return out
}

// limitOf is the limit that k has by res, 0 for none.
func (e *engine) limitOf(res policy.Resource, k snapshot.Key) float64 {
	all := e.limits[res]
	if i, ok := slices.BinarySearchFunc(all, k, func(l limit, k snapshot.Key) int { return l.key.Compare(k) }); ok {
		return all[i].most
	}
	return 0
}

// counted is what it uses; what cannot be read is taken to be its limit, so that
// a missing reading does not tighten the others'.
func (s *target) counted() float64 {
	if !s.known {
		return s.was
	}
	return s.used
}

// least is what a container keeps at least.
func (s *target) least(p *policy.Policy, res policy.Resource) float64 {
	if res == policy.CPU {
		return p.Ladder.FloorCores
	}
	// Reclaiming more than half of what it uses in one go would stop it whole.
	return max(leastMemory, s.used/2)
}

// distribute shares total out over ts.
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
func distribute(p *policy.Policy, res policy.Resource, total float64, ts []target) {
	if res == policy.Memory {
		used := 0.0
		for i := range ts {
			used += ts[i].used
		}
		for i := range ts {
			if ts[i].known && used > 0 {
				ts[i].now = max(ts[i].used*total/used, ts[i].least(p, res))
			}
		}
		return
	}
	level := waterLevel(total, ts)
	for i := range ts {
		ts[i].now = min(max(level*ts[i].part(), p.Ladder.FloorCores), max(total, p.Ladder.FloorCores))
	}
}

// part is what a container's share is in proportion to.
func (s *target) part() float64 { return max(s.allocated, policy.MinCores) }

// want is what it would use without a limit, as far as it is known.
func (s *target) want() float64 {
	if !s.known || s.was > 0 && s.used >= 0.8*s.was {
		return math.Inf(1)
	}
	return s.used
}

// waterLevel is the λ of distribute.
func waterLevel(total float64, ts []target) float64 {
	order := make([]*target, len(ts))
	parts := 0.0
	for i := range ts {
		order[i] = &ts[i]
		parts += ts[i].part()
	}
	slices.SortFunc(order, func(a, b *target) int { return cmp.Compare(a.want()/a.part(), b.want()/b.part()) })
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

// throttle brings the limits by res up to date and returns whether something was
// taken anew. Limits change only when the total does, a container is new, or those
// that used little before do not any more: a limit that follows every reading
// would be written at every tick.
func (t *turn) throttle(res policy.Resource, a *asks) (acted bool) {
	e, l := t.e, &t.e.ladders[res]
	cut := a.throttle && l.rung >= policy.Throttle
	if !a.throttle {
		l.cuts = 0
	}
	if l.rung < policy.Throttle {
		l.lowWeight = time.Time{}
	}
	if !cut && !l.throttles() {
		e.unlimit(res)
		return false
	}
	ts := t.targets(res)
	if len(ts) == 0 {
		l.limit, l.lowWeight = 0, time.Time{}
		e.unlimit(res)
		return false
	}
	if cut {
		var enough bool
		enough, acted = l.lowerWeight(t.p, t.now, a)
		cut = !enough
	}
	if res == policy.CPU {
		e.setLowWeight(l, ts)
	}
	// One of unknown use keeps the low weight, and gets no limit.
	ts = slices.DeleteFunc(ts, func(s target) bool { return !s.known && s.was == 0 })
	if !cut && l.limit == 0 || len(ts) == 0 {
		l.limit = 0
		e.unlimit(res)
		return acted
	}
	sum := t.sum(res, ts)
	switch {
	case l.limit == 0:
	case sum.limited == 0:
		// All that were throttled have left; nobody else has to pay for them.
		l.limit = 0
		if !cut {
			e.unlimit(res)
			return false
		}
	case sum.limited < len(e.limits[res]):
		// The share of one that left goes back to the node, not to the others.
		l.limit = max(min(l.limit, sum.limits), min(l.limit, sum.least))
		l.shared = l.limit
	}
	if cut && l.due(t.now, a, sum.used) {
		acted = l.tighten(t.p, t.now, a, sum) || acted
	}
	exceeded := sum.used > l.limit*shownWithin && t.now.Sub(l.set) >= max(a.settle, shareAgainAfter)
	if l.limit != l.shared || sum.limited < len(ts) || exceeded {
		distribute(t.p, res, l.limit, ts)
		l.shared, l.set = l.limit, t.now
		e.setLimits(res, ts)
	} else if len(ts) != len(e.limits[res]) {
		for i := range ts {
			ts[i].now = ts[i].was
		}
		e.setLimits(res, ts)
	}
	return acted
}

// shareAgainAfter is how long throttled containers may together use more than
// their limit before it is shared out anew: by then the last limits have shown.
const shareAgainAfter = 3 * time.Second

// throttled sums up the containers that can be throttled: what they use, must
// keep, were given and could use, and how many have which limits already.
type throttled struct {
	used, least, given, most float64
	limited                  int
	limits                   float64
}

func (t *turn) sum(res policy.Resource, ts []target) (sum throttled) {
	for i := range ts {
		s := &ts[i]
		sum.used += s.counted()
		sum.least += s.least(t.p, res)
		sum.given += s.allocated
		sum.limits += s.was
		if s.was > 0 {
			sum.limited++
		}
	}
	if res == policy.CPU {
		sum.most, _ = t.v.UsableCPUs()
	}
	return sum
}

func (e *engine) setLimits(res policy.Resource, ts []target) {
	next := make([]limit, 0, len(ts))
	for i := range ts {
		if ts[i].now > 0 {
			next = append(next, limit{ts[i].key, ts[i].now})
		}
	}
	e.limits[res] = next
}

// unlimit ends all limits by res.
func (e *engine) unlimit(res policy.Resource) {
	e.limits[res] = nil
	if res == policy.CPU && e.ladders[res].lowWeight.IsZero() {
		e.lowWeight = nil
	}
}

// throttles is what is to be in force for the limits, in the order of the
// snapshot.
func (t *turn) throttles() (out []Throttle) {
	e := t.e
	n := max(len(e.limits[policy.CPU]), len(e.limits[policy.Memory]), len(e.lowWeight))
	if n == 0 {
		return nil
	}
	out = make([]Throttle, 0, n)
	cpus, why := t.v.UsableCPUs()
	for i := range t.v.Snapshot.Containers {
		c := &t.v.Snapshot.Containers[i]
		if !c.OnDisk || c.Class() != snapshot.ClassRevocable {
			continue
		}
		cores, bytes := e.limitOf(policy.CPU, c.Key), e.limitOf(policy.Memory, c.Key)
		lowWeight := cores > 0 || e.hasLowWeight(c.Key)
		if !lowWeight && bytes == 0 || t.isDying(c.Key) {
			continue
		}
		if why == snapshot.Present && cores >= cpus {
			cores = 0 // no limit, and one that a quota around it would refuse
		}
		cause := Cause{Rule: e.ladders[policy.Memory].rule}
		if lowWeight {
			cause.Rule = e.ladders[policy.CPU].rule
		}
		if victim, err := NewVictim(c, cause); err == nil {
			out = append(out, Throttle{Victim: victim, Cores: cores, LowWeight: lowWeight, MemoryHighBytes: uint64(bytes)})
		}
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
