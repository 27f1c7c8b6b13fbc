package recording

import (
	"math"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// What both sides can work out from what was written already is not written
// again. A guess that is wrong costs bytes, never truth: the difference is
// written.

// readTimes is when each container was read. They are read one after the other,
// at much the same pace in each tick, so that each is guessed from the one
// before it.
func (t *table) readTimes() {
	offset, offsetBefore := uint64(0), uint64(0)
	for i := range t.now {
		now, before := &t.now[i], &t.before[i]
		known := t.at + offset
		if !before.At.IsZero() {
			was := t.c.stamp(before.At) - (t.at - t.elapsed)
			known += was - offsetBefore
			offsetBefore = was
		}
		t.c.time(&now.At, known)
		if !now.At.IsZero() {
			offset = t.c.stamp(now.At) - t.at
		}
	}
}

// cpu is the CPU time used and its rate. The rate is the difference of the
// former by the time between the two reads, which differs from that between
// their wall-clock times by the same few ns for all of them: lag.
func (t *table) cpu() {
	t.counts(cpuUsage, nil)
	if !t.c.reading {
		t.lag = t.findLag()
	}
	t.c.delta(&t.lag, 0)
	t.values(cpuCores, predictCores)
}

// findLag takes the lag from the first container that shows it.
func (t *table) findLag() uint64 {
	for i := range t.now {
		now, before := &t.now[i].CPU, &t.before[i].CPU
		if !now.UsageNanos.OK() || !before.UsageNanos.OK() || !now.Cores.OK() || now.UsageNanos.N <= before.UsageNanos.N {
			continue
		}
		took := math.Round(float64(now.UsageNanos.N-before.UsageNanos.N) / now.Cores.V)
		if took > 0 && took < math.MaxInt64 {
			return uint64(took) - t.between(i)
		}
	}
	return 0
}

// between is the time between the last two reads of container i, in ns.
func (t *table) between(i int) uint64 { return t.c.stamp(t.now[i].At) - t.c.stamp(t.before[i].At) }

// predictCores is the formula of snapshot.CPU.Cores.
func predictCores(t *table, i int) float64 {
	now, before := &t.now[i].CPU, &t.before[i].CPU
	if !now.Cores.OK() {
		return 0
	}
	took := int64(t.between(i) + t.lag) //nolint:gosec // wraps where it makes no sense, and then does not match
	if took <= 0 || now.UsageNanos.N < before.UsageNanos.N {
		return 0
	}
	return float64(now.UsageNanos.N-before.UsageNanos.N) / float64(took)
}

// predictWorkingSet is the formula of snapshot.Memory.UnreclaimableBytes.
func predictWorkingSet(t *table, i int) uint64 {
	m := &t.now[i].Memory
	if !m.UnreclaimableBytes.OK() || m.ReclaimableBytes.N > m.UsageBytes.N {
		return 0
	}
	return m.UsageBytes.N - m.ReclaimableBytes.N
}

// statTimes is when the files that are read less often were read: most of them
// not in this tick.
func (t *table) statTimes() {
	changed := false
	if !t.c.reading {
		for i := range t.now {
			if !t.now[i].Memory.StatAt.Equal(t.before[i].Memory.StatAt) {
				changed = true
				break
			}
		}
	}
	t.c.flag(&changed)
	if !changed {
		return
	}
	for i := range t.now {
		now, before := &t.now[i], &t.before[i]
		moved := !t.c.reading && !now.Memory.StatAt.Equal(before.Memory.StatAt)
		t.c.flag(&moved)
		if moved {
			t.c.time(&now.Memory.StatAt, t.statKnown(now, t.at))
		}
	}
}

// statKnown is what StatAt is close to when it is new.
func (t *table) statKnown(o *snapshot.Container, at uint64) uint64 {
	if o.At.IsZero() {
		return at
	}
	return t.c.stamp(o.At)
}
