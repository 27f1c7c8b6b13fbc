package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What is asked of the service: requests arrive at random times, as those of many
// users do (a Poisson process), so many per second, and each takes the same CPU
// time.
const (
	rate = 400
	work = time.Millisecond
)

// order is one line to the service.
type order struct {
	// Spin: use a CPU without a break, and tell when it was not to be had.
	Spin    bool          `json:"spin,omitempty"`
	Rate    float64       `json:"rate,omitempty"`
	Work    time.Duration `json:"work,omitempty"`
	Seconds float64       `json:"seconds"`
	// Seed picks the times of arrival: the same for each case.
	Seed uint64 `json:"seed,omitempty"`
}

// report is one line of the service.
type report struct {
	// Latencies of requests, from their arrival on, whether the service was
	// ready for them or not; GivenUp of them were too old to be begun.
	Latencies []time.Duration `json:"latencies,omitempty"`
	GivenUp   int             `json:"given_up,omitempty"`
	// Gaps are when a spinning service did not run, on CLOCK_MONOTONIC.
	Gaps []gap `json:"gaps,omitempty"`
	// From and To are when it began and ended.
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

type gap struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

const (
	// patience is how long a user waits for the begin of an answer.
	patience = time.Second
	// leastGap is longer than what interrupts of the kernel take.
	leastGap = 100 * time.Microsecond
)

// serve is the service: one thread, one request at a time, in their order.
func serve(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	lines := bufio.NewScanner(in)
	answer := json.NewEncoder(out)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("service: %q: %w", lines.Text(), err)
		}
		length := time.Duration(o.Seconds * float64(time.Second))
		var r report
		if o.Spin {
			r = spin(length)
		} else {
			r = answerRequests(&o, length)
		}
		if err := answer.Encode(&r); err != nil {
			return fmt.Errorf("service: %w", err)
		}
		runtime.GC()
	}
	return lines.Err()
}

func answerRequests(o *order, length time.Duration) report {
	arrivals := arrivalsOf(o.Rate, length, o.Seed)
	r := report{Latencies: make([]time.Duration, 0, len(arrivals)), From: clock(unix.CLOCK_MONOTONIC)}
	for _, at := range arrivals {
		at += r.From
		sleepUntil(at)
		if clock(unix.CLOCK_MONOTONIC)-at > patience {
			r.GivenUp++
			r.Latencies = append(r.Latencies, patience)
			continue
		}
		for began := clock(unix.CLOCK_THREAD_CPUTIME_ID); clock(unix.CLOCK_THREAD_CPUTIME_ID)-began < o.Work; {
		}
		r.Latencies = append(r.Latencies, clock(unix.CLOCK_MONOTONIC)-at)
	}
	r.To = clock(unix.CLOCK_MONOTONIC)
	return r
}

func arrivalsOf(rate float64, length time.Duration, seed uint64) []time.Duration {
	random := rand.New(rand.NewPCG(seed, 2))
	var all []time.Duration
	for at := 0.0; ; {
		at += -math.Log(1-random.Float64()) / rate
		if at >= length.Seconds() {
			return all
		}
		all = append(all, time.Duration(at*float64(time.Second)))
	}
}

// ideal are the latencies with a CPU that is always there at once: what queuing
// alone comes to.
func ideal(arrivals []time.Duration, work time.Duration) []time.Duration {
	out := make([]time.Duration, len(arrivals))
	free := time.Duration(0)
	for i, at := range arrivals {
		free = max(free, at) + work
		out[i] = free - at
	}
	return out
}

// spin uses its CPU.
func spin(length time.Duration) report {
	r := report{Gaps: make([]gap, 0, 1<<16), From: clock(unix.CLOCK_MONOTONIC)}
	for before := r.From; ; {
		now := clock(unix.CLOCK_MONOTONIC)
		if now-before > leastGap {
			r.Gaps = append(r.Gaps, gap{before, now})
		}
		if before = now; now-r.From > length {
			r.To = now
			return r
		}
	}
}

// clock and sleepUntil are system calls that the Go runtime does not know of: of
// others it would have a thread of its own look after them, thousands of times a
// second, which would wait for the CPU behind the service and be taken for one
// that is kept waiting by the hogs.
func clock(id int32) time.Duration {
	var t unix.Timespec
	if _, _, e := syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&t)), 0); e != 0 {
		return 0 // every kernel has these
	}
	return time.Duration(t.Nano())
}

// sleepUntil sleeps until that time of CLOCK_MONOTONIC, in the kernel: Go's own
// timers are not part of what is measured.
func sleepUntil(at time.Duration) {
	ts := unix.NsecToTimespec(int64(at))
	for clock(unix.CLOCK_MONOTONIC) < at {
		_, _, _ = syscall.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	}
}
