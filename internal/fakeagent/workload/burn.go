package workload

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// period is how often a thread gets its share of the work. It is short against
// the second over which usage is sampled, and long against a scheduler tick.
const period = 20 * time.Millisecond

// burner spends CPU time in a fixed number of threads.
type burner struct {
	threads int
	// duty is the float64 bits of the share of the time each thread is to run.
	duty atomic.Uint64
}

// newBurner makes a burner of so many threads that use cores together.
func newBurner(threads int, cores float64) *burner {
	b := &burner{threads: threads}
	b.set(cores)
	// One for each, and one for who drives them, whatever the host has: they
	// are to compete as threads of the kernel, not of Go's scheduler.
	runtime.GOMAXPROCS(b.threads + 1)
	return b
}

// set asks for cores from now on.
func (b *burner) set(cores float64) {
	b.duty.Store(math.Float64bits(min(1, cores/float64(b.threads))))
}

// start starts the threads, which burn until the process ends.
func (b *burner) start() {
	for range b.threads {
		go b.thread()
	}
}

func (b *burner) thread() {
	runtime.LockOSThread()
	due := time.Now()
	// over is what was used beyond the budget, since the clocks are only looked
	// at now and then; the next periods make up for it.
	var over time.Duration
	for {
		due = due.Add(period)
		budget := time.Duration(math.Float64frombits(b.duty.Load()) * float64(period))
		var used time.Duration
		if budget > over {
			used = burn(budget-over, due)
		}
		over = max(0, over+used-budget)
		if late := time.Until(due); late > 0 {
			time.Sleep(late)
		} else if late < -period {
			due = time.Now() // whole periods were lost: they are not made up for
		}
	}
}

// burn uses budget of CPU time, but not beyond due, and returns what it used.
func burn(budget time.Duration, due time.Time) time.Duration {
	began := threadTime()
	x := uint64(1)
	for {
		used := threadTime() - began
		if used >= budget || !time.Now().Before(due) {
			return used
		}
		for range 5_000 { // some 5 µs between two reads of the clocks
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		sink.Store(x)
	}
}

// sink keeps the compiler from seeing that the work is for nothing.
var sink atomic.Uint64

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
