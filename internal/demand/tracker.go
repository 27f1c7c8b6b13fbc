package demand

import (
	"cmp"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

const (
	// Saturated is the share of the usable processors that is busy when there
	// is nothing left: the threshold of the default policy's rule. Above it a
	// container that uses less may be one that gets less.
	Saturated = 0.95
	// calmTicks is how many ticks in a row below Saturated end a contention. Two,
	// since at the first one it may have ended, or begun, in the middle.
	calmTicks = 2
	// HoldFor is for how long a contention that cannot be measured is believed in:
	// the governor's default Hold, after which an offer might rise. Longer than
	// any relief by the policy, and then it is the regular load that fills the
	// node.
	HoldFor = 10 * time.Minute
	// shortest is the least time between ticks of which something is remembered:
	// what a container uses in the few milliseconds before a tick that something
	// has woken is a burst.
	shortest = 500 * time.Millisecond
)

// Tracker derives the demands of a node's containers from one tick to the
// next: it remembers counters and, for nodes on which waiting cannot be
// measured, what each container wanted before the node was full. The zero
// value is ready. It is not for concurrent use.
type Tracker struct {
	clock snapshot.Steady
	// whole is the time of the last tick that was not too short after another.
	whole time.Time
	calm  int
	// full: the node has no CPU left, since when.
	full  bool
	since time.Time
	// before are the containers of the tick before, sorted by key; now those of
	// this tick.
	before, now []memory
	demands     []Demand
	// nested: a container nested in another was throttled by a quota.
	nested bool
}

// memory is what is kept of one container.
type memory struct {
	key                snapshot.Key
	throttled, stalled snapshot.Count
	// judged: last and before are its demands at the last two ticks of a node
	// that was not full.
	judged       bool
	last, before float64
}

// Next takes the next tick and returns the demand of each of its containers, in
// their order. The result is valid until the next call.
func (t *Tracker) Next(s *snapshot.Snapshot) []Demand {
	at := t.clock.Advance(s)
	whole := t.whole.IsZero() || at.Sub(t.whole) >= shortest
	if whole {
		t.whole = at
		t.follow(&s.Host, at)
	}
	t.before, t.now = t.now, t.before[:0]
	t.demands, t.nested = slices.Grow(t.demands[:0], len(s.Containers))[:len(s.Containers)], false
	old := 0
	for i := range s.Containers {
		c := &s.Containers[i]
		for old < len(t.before) && t.before[old].key.Compare(c.Key) < 0 {
			old++
		}
		m := memory{key: c.Key}
		if old < len(t.before) && t.before[old].key == c.Key {
			m = t.before[old]
		}
		d := &t.demands[i]
		*d = Demand{Throttled: throttled(&m, c)}
		d.ThrottledRate = rate(d.Throttled, &m, c)
		t.nested = t.nested || isNested(c)
		m.throttled, m.stalled = c.CPU.ThrottledNanos, c.Pressure.CPUSomeMicros
		t.now = append(t.now, m)
	}
	if t.nested {
		t.addNested(s)
	}
	for i := range s.Containers {
		if c := &s.Containers[i]; c.Parent == "" && c.OnDisk && c.Class() == snapshot.ClassRegular && usable(c.CPU.Cores) {
			t.judge(c, i, at, whole)
		}
	}
	return t.demands
}

// follow finds out whether the node is full. An absent reading changes nothing:
// what was known last holds.
func (t *Tracker) follow(h *snapshot.Host, at time.Time) {
	size, busy := h.Usable(), h.BusyCores
	switch {
	case !usable(size) || !usable(busy) || size.V <= 0:
	case busy.V >= Saturated*size.V:
		if !t.full {
			t.since = at
		}
		t.full, t.calm = true, 0
	case t.full:
		t.calm++
		t.full = t.calm < calmTicks
	}
}

// judge finds the demand of container i.
func (t *Tracker) judge(c *snapshot.Container, i int, at time.Time, whole bool) {
	m, d := &t.now[i], &t.demands[i]
	used, limit := c.CPU.Cores.V, c.Executor.Regular.Get(resources.CPUs).Float()
	seconds := d.Throttled
	*d = of(c, used, limit, d.ThrottledRate)
	d.Throttled = seconds
	if !m.judged {
		m.judged, m.last, m.before = true, used, used
	}
	measured := usable(c.Pressure.CPUSome)
	if wanted := min(limit, max(m.last, m.before)); !measured && t.full && at.Sub(t.since) <= HoldFor && wanted > d.Cores {
		d.Cores, d.Source = wanted, FromBefore
	}
	switch {
	case !whole:
	case !t.full:
		m.before, m.last = m.last, d.Cores
	case d.Cores > m.last:
		m.last = d.Cores
	}
}

// throttled is for how long, in s, its quota throttled c since m. A counter that
// never moved needs nothing to be compared with.
func throttled(m *memory, c *snapshot.Container) snapshot.Value {
	switch n := c.CPU.ThrottledNanos; {
	case n.Why == snapshot.NoQuota, n.OK() && n.N == 0:
		return snapshot.ValueOf(0)
	case !n.OK():
		return snapshot.Value{Why: n.Why}
	case !m.throttled.OK():
		return snapshot.Value{Why: snapshot.FirstSample}
	case n.N < m.throttled.N:
		return snapshot.Value{Why: snapshot.Backwards}
	default:
		return snapshot.ValueOf(float64(n.N-m.throttled.N) / 1e9)
	}
}

// rate is throttled per second, over the very time that the container's CPU
// pressure p is about, T = Δstalled/p, so that no clock has to be asked.
func rate(throttled snapshot.Value, m *memory, c *snapshot.Container) snapshot.Value {
	p, now := c.Pressure.CPUSome, c.Pressure.CPUSomeMicros
	switch {
	case !throttled.OK() || throttled.V == 0 || p == snapshot.ValueOf(0):
		return throttled
	case !usable(p):
		return snapshot.Value{Why: p.Why}
	case !now.OK():
		return snapshot.Value{Why: now.Why}
	case !m.stalled.OK():
		return snapshot.Value{Why: snapshot.FirstSample}
	case now.N <= m.stalled.N:
		return snapshot.Value{Why: snapshot.Backwards}
	}
	return snapshot.ValueOf(throttled.V * p.V / (float64(now.N-m.stalled.N) / 1e6))
}

// addNested adds the throttling by quotas of nested containers to the containers
// at top level: it is in the pressure of these and not in their own throttled
// time, since the kernel counts a quota where it is set. Hardly any node has such
// containers.
func (t *Tracker) addNested(s *snapshot.Snapshot) {
	for i := range s.Containers {
		c := &s.Containers[i]
		if !isNested(c) {
			continue
		}
		if top := topOf(s, c); top >= 0 {
			d, own := &t.demands[top], &t.demands[i]
			d.Throttled, d.ThrottledRate = plus(d.Throttled, own.Throttled), plus(d.ThrottledRate, own.ThrottledRate)
		}
	}
}

// isNested reports whether c is nested and a quota of its own ever throttled it.
func isNested(c *snapshot.Container) bool {
	return c.Parent != "" && c.CPU.ThrottledNanos.OK() && c.CPU.ThrottledNanos.N > 0
}

// deepest is how deep containers can be nested (MAX_NESTING_DEPTH,
// src/slave/containerizer/mesos/containerizer.hpp), which also ends a circle.
const deepest = 32

// topOf is the place of the container at top level that c is nested in, -1 when
// it is not there.
func topOf(s *snapshot.Snapshot, c *snapshot.Container) int {
	for range deepest {
		i, _ := slices.BinarySearchFunc(s.Containers, c.Parent, func(o snapshot.Container, id string) int { return cmp.Compare(o.ID, id) })
		if i == len(s.Containers) || s.Containers[i].ID != c.Parent {
			return -1
		}
		if c = &s.Containers[i]; c.Parent == "" {
			return i
		}
	}
	return -1
}

// plus is a + b, absent when either is.
func plus(a, b snapshot.Value) snapshot.Value {
	switch {
	case !a.OK():
		return a
	case !b.OK():
		return b
	}
	return snapshot.ValueOf(a.V + b.V)
}
