package demand

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

const (
	// Saturated is the share of the usable processors that is busy when there
	// is nothing left: the threshold of the default policy's rule. Above it a
	// container that uses less may be one that gets less.
	Saturated = 0.95
	// calmTicks is how many ticks in a row below Saturated end a squeeze. Two,
	// since at the first one it may have ended, or begun, in the middle.
	calmTicks = 2
	// HoldFor is for how long a squeeze that cannot be measured is believed in:
	// the governor's default Hold, after which an offer might rise. Longer than
	// any relief by the policy, and then it is the regular load that fills the
	// node.
	HoldFor = 10 * time.Minute
)

// Tracker derives the demands of a node's containers from one tick to the
// next: it remembers counters and, for nodes on which waiting cannot be
// measured, what each container wanted before the node was full. The zero
// value is ready. It is not for concurrent use.
type Tracker struct {
	tick uint64
	calm int
	// full: the node has no CPU left, since when.
	full  bool
	since time.Time
	known map[snapshot.Key]*memory
}

// memory is what is kept of one container.
type memory struct {
	tick      uint64
	at        time.Time
	throttled snapshot.Count
	// last and before are its demands at the last two ticks of a node that was
	// not full.
	last, before float64
}

// Begin takes the next tick; its containers come with Of.
func (t *Tracker) Begin(s *snapshot.Snapshot) {
	t.tick++
	size, busy := s.Host.Usable(), s.Host.BusyCores
	// An absent reading changes nothing: what was known last holds.
	if usable(size) && usable(busy) && size.V > 0 {
		switch {
		case busy.V >= Saturated*size.V:
			if !t.full {
				t.since = s.At
			}
			t.full, t.calm = true, 0
		case t.full:
			if t.calm++; t.calm >= calmTicks {
				t.full = false
			}
		}
	}
	if s.At.Before(t.since) { // the clock was set back
		t.since = s.At
	}
	if t.tick%64 == 0 { // forget who left; memory follows the node
		for key, m := range t.known {
			if m.tick+1 < t.tick {
				delete(t.known, key)
			}
		}
	}
}

// Of is the demand of a container of this tick's snapshot that uses used cores
// and may use limit.
func (t *Tracker) Of(c *snapshot.Container, at time.Time, used, limit float64) Demand {
	m, known := t.known[c.Key]
	if !known {
		if t.known == nil {
			t.known = make(map[snapshot.Key]*memory)
		}
		m = &memory{last: used, before: used}
		t.known[c.Key] = m
	}
	throttled := snapshot.Value{Why: snapshot.FirstSample}
	if known {
		throttled = rate(m, c)
	}
	d, whole := Of(c, used, limit, throttled)
	held := min(limit, max(m.last, m.before))
	if !whole && t.full && at.Sub(t.since) <= HoldFor && held > d.Cores {
		d = add(used, held-used, limit, FromBefore)
	}
	if !t.full {
		m.before, m.last = m.last, d.Cores
	} else if d.Cores > m.last {
		m.last = d.Cores
	}
	m.tick, m.at, m.throttled = t.tick, c.At, c.CPU.ThrottledNanos
	return d
}

// rate is ThrottledNanos per time since the sample before, in cores.
func rate(m *memory, c *snapshot.Container) snapshot.Value {
	now, elapsed := c.CPU.ThrottledNanos, c.At.Sub(m.at)
	switch {
	case !now.OK():
		return snapshot.Value{Why: now.Why}
	case !m.throttled.OK():
		return snapshot.Value{Why: snapshot.FirstSample}
	case elapsed <= 0:
		return snapshot.Value{Why: snapshot.NoTime}
	case now.N < m.throttled.N:
		return snapshot.Value{Why: snapshot.Backwards}
	}
	return snapshot.ValueOf(float64(now.N-m.throttled.N) / float64(elapsed.Nanoseconds()))
}
