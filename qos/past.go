package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// past is what signals remember of the tick before.
type past struct {
	// hostAt and busy are when and how busy the node was.
	hostAt time.Time
	busy   snapshot.Value
	// held are containers that their own quota has ever held back, sorted by
	// key; revocable ones are not among them.
	held []held
	// next is where the one after the last that was looked for is: the pass
	// over the containers is in the same order.
	next int
}

// held are the counters of one container.
type held struct {
	key snapshot.Key
	// throttledNanos is for how long its quota held its tasks back, summed over
	// processors; stalledMicros for how long some task of it waited for a CPU,
	// whatever for: 0 where the kernel does not tell.
	throttledNanos, stalledMicros uint64
}

// throttled is how long, in s since the tick before, its own quota held c back.
// A counter that never moved needs nothing to be compared with.
func (p *past) throttled(c *snapshot.Container) (seconds snapshot.Value, before *held) {
	switch n := c.CPU.ThrottledNanos; {
	case n.Why == snapshot.NoQuota, n.OK() && n.N == 0:
		return snapshot.ValueOf(0), nil
	case !n.OK():
		return snapshot.Value{Why: n.Why}, nil
	}
	i, found := p.find(c.Key)
	switch {
	case !found:
		return snapshot.Value{Why: snapshot.FirstSample}, nil
	case c.CPU.ThrottledNanos.N < p.held[i].throttledNanos:
		return snapshot.Value{Why: snapshot.Backwards}, nil
	}
	return snapshot.ValueOf(float64(c.CPU.ThrottledNanos.N-p.held[i].throttledNanos) / 1e9), &p.held[i]
}

func (p *past) find(k snapshot.Key) (i int, found bool) {
	if i, found = p.next, p.next < len(p.held) && p.held[p.next].key == k; !found {
		i, found = slices.BinarySearchFunc(p.held, k, func(h held, k snapshot.Key) int { return compareKeys(h.key, k) })
	}
	p.next = i + 1
	return i, found
}

// throttling is the rate of that, in s per s, over the very time that the
// container's CPU pressure p is about:
//
//	Δthrottled / T,  T = Δstalled / p
//
// so that no clock has to be asked that may have been set.
func (p *past) throttling(c *snapshot.Container, pressure float64) snapshot.Value {
	seconds, before := p.throttled(c)
	switch {
	case !seconds.OK() || seconds.V == 0 || pressure == 0:
		return seconds
	case !c.Pressure.CPUSomeMicros.OK():
		return snapshot.Value{Why: c.Pressure.CPUSomeMicros.Why}
	case c.Pressure.CPUSomeMicros.N <= before.stalledMicros:
		return snapshot.Value{Why: snapshot.Backwards}
	}
	return snapshot.ValueOf(seconds.V * pressure / (float64(c.Pressure.CPUSomeMicros.N-before.stalledMicros) / 1e6))
}

// remember is the past of the next tick.
func (v *view) remember() past {
	p := past{hostAt: v.s.Host.At, busy: v.hostValue(v.s.Host.BusyCores)}
	if v.heldBack > 0 {
		p.held = make([]held, 0, v.heldBack)
		for i := range v.s.Containers {
			if c := &v.s.Containers[i]; wasHeldBack(c) {
				p.held = append(p.held, held{c.Key, c.CPU.ThrottledNanos.N, c.Pressure.CPUSomeMicros.N})
			}
		}
	}
	return p
}

// wasHeldBack reports whether a quota ever held c back, which matters for
// regular containers and, by way of these, for nested ones.
func wasHeldBack(c *snapshot.Container) bool {
	n := c.CPU.ThrottledNanos
	return n.OK() && n.N > 0 && (c.Parent != "" || c.Class() == snapshot.ClassRegular)
}
