package monitor

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// A budget keeps what sampling costs below a share of one core, by reading what
// is expensive less often: memory.stat, and on v2 the pressure of memory and
// I/O. What the offer and the rules depend on from one tick to the next (CPU,
// memory usage, CPU pressure, the host) is read at each tick whatever it costs.
//
// The cadence is stretched by powers of two: doubled after a window in which
// the share was above the budget, halved after one in which it was below half of
// it. One that is halved makes the share at most twice what it was, so that it
// does not go back and forth.

const (
	// budgetWindow and budgetTicks are the shortest window. Turns are spread
	// evenly over the ticks, so that it need not hold a whole round of them.
	budgetWindow = 10 * time.Second
	budgetTicks  = 10
	// maxStretch makes memory.stat five minutes old at most, with a tick of
	// one second and the default cadence. A usage that jumps is followed at
	// once all the same.
	maxStretch = 32
)

// budget decides on the stretch.
type budget struct {
	limit   float64 // share of one core
	stretch int     // 1, 2, 4, … maxStretch

	// The window: since when, what was spent, in how many ticks.
	open  bool
	since time.Duration
	spent time.Duration
	ticks int
	// share is that of the last whole window.
	share snapshot.Value
}

func newBudget(limit float64) budget {
	return budget{limit: limit, stretch: 1, share: snapshot.Value{Why: snapshot.FirstSample}}
}

// spend accounts for one tick that ended at the monotonic time at. The first
// one, which opens every file, only starts the clock.
func (b *budget) spend(at, cost time.Duration) {
	if !b.open || at < b.since || cost < 0 {
		b.restart(at)
		return
	}
	b.spent += cost
	b.ticks++
	elapsed := at - b.since
	if elapsed < budgetWindow || b.ticks < budgetTicks {
		return
	}
	b.share = snapshot.ValueOf(float64(b.spent) / float64(elapsed))
	switch {
	case b.share.V > b.limit && b.stretch < maxStretch:
		b.stretch *= 2
	case b.share.V < b.limit/2 && b.stretch > 1:
		b.stretch /= 2
	}
	b.restart(at)
}

func (b *budget) restart(at time.Duration) { b.open, b.since, b.spent, b.ticks = true, at, 0, 0 }

// exceeded reports that there is nothing left to stretch, and it costs more
// than it may all the same.
func (b *budget) exceeded() bool {
	return b.stretch == maxStretch && b.share.OK() && b.share.V > b.limit
}

// threadCPU is the CPU time of the calling thread: that of the whole process
// would count what other goroutines did meanwhile, and time on the clock what
// other processes did.
func threadCPU() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// monotonic is the time since boot, without that in which the machine slept.
func monotonic() time.Duration { return clock(unix.CLOCK_MONOTONIC) }

// clock is the time of one of the kernel's clocks; every kernel has those that
// are asked for.
func clock(id int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
