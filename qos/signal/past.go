package signal

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Past is what signals remember of the tick before.
type Past struct {
	// hostAt and busy are when and how busy the node was.
	hostAt time.Time
	busy   snapshot.Value
	// throttled are containers that their own quota has ever throttled, sorted by
	// key; revocable ones are not among them.
	throttled []throttled
	// next is where the one after the last that was looked for is: the pass
	// over the containers is in the same order.
	next int
}

// throttled are the counters of one container.
type throttled struct {
	key snapshot.Key
	// throttledNanos is for how long its quota throttled its tasks, summed over
	// processors; stalledMicros for how long some task of it waited for a CPU,
	// whatever for: 0 where the kernel does not tell.
	throttledNanos, stalledMicros uint64
}

// throttledFor is how long, in s since the tick before, its own quota throttled c.
// A counter that never moved needs nothing to be compared with.
func (p *Past) throttledFor(c *snapshot.Container) (seconds snapshot.Value, before *throttled) {
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
	case c.CPU.ThrottledNanos.N < p.throttled[i].throttledNanos:
		return snapshot.Value{Why: snapshot.Backwards}, nil
	}
	return snapshot.ValueOf(float64(c.CPU.ThrottledNanos.N-p.throttled[i].throttledNanos) / 1e9), &p.throttled[i]
}

func (p *Past) find(k snapshot.Key) (i int, found bool) {
	if i, found = p.next, p.next < len(p.throttled) && p.throttled[p.next].key == k; !found {
		i, found = slices.BinarySearchFunc(p.throttled, k, func(t throttled, k snapshot.Key) int { return t.key.Compare(k) })
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
func (p *Past) throttling(c *snapshot.Container, pressure float64) snapshot.Value {
	seconds, before := p.throttledFor(c)
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

// Remember is the Past of the next tick.
func (v *View) Remember() Past {
	p := Past{hostAt: v.Snapshot.Host.At, busy: v.hostValue(v.Snapshot.Host.BusyCores)}
	if v.quotas > 0 {
		p.throttled = make([]throttled, 0, v.quotas)
		for i := range v.Snapshot.Containers {
			if c := &v.Snapshot.Containers[i]; hasThrottled(c) {
				p.throttled = append(p.throttled, throttled{c.Key, c.CPU.ThrottledNanos.N, c.Pressure.CPUSomeMicros.N})
			}
		}
	}
	return p
}

// hasThrottled reports whether c's quota ever throttled it, which matters for
// regular containers and, by way of these, for nested ones.
func hasThrottled(c *snapshot.Container) bool {
	n := c.CPU.ThrottledNanos
	return n.OK() && n.N > 0 && (c.Parent != "" || c.Class() == snapshot.ClassRegular)
}
